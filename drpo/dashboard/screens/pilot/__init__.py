"""Pilot: from a file to a decision in guided steps."""
