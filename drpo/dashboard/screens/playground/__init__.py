"""Playground: checkpoints side by side on any prompt."""
