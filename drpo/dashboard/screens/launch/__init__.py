"""Launch: the form, and what starts a run."""
