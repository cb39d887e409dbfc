"""Rows to what they mean: columns, label codes, dialogues."""
