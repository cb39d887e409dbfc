"""A file or a Hub name to rows, within limits."""
