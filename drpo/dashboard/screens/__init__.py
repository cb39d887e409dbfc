"""What each screen shows, one folder a screen; the files in `pages/` call these."""
