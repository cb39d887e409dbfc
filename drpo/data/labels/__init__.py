"""Which preferences are probably the wrong way round: a check of labels, and what it found."""
