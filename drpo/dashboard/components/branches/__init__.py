"""What else could have followed any token of an answer: asked for, kept and shown."""
