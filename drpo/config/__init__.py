"""Every setting of a run, and what is derived from the settings: presets, flags."""
