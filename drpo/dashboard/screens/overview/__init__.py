"""Overview: the executive's ten minutes."""
