"""Data: upload, report, cleaning, versions."""
