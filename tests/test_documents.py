"""Documents that people and evaluations keep: plain JSON that every reader can read."""
