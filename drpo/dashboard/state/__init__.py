"""What a screen remembers: what the URL says, and the series of runs."""
