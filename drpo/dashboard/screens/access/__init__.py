"""Access: who has which role, and who did what."""
