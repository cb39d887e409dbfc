"""Report: which runs, in which language and format, and what is in it."""
