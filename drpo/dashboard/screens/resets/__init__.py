"""Resets: where episodes started, and what that brought."""
