"""Parts of screens that several screens use."""
