"""A pilot: a small study of somebody's own data, planned, run and judged."""
