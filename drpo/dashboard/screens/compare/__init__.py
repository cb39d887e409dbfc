"""Compare: runs against runs, their evaluations, and the list of all runs."""
