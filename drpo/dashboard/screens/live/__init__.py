"""Live: one run as it goes, its details, all its metrics, and its replay."""
