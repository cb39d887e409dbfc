"""What a screen remembers: its address, services that visitors share, series of the store."""
