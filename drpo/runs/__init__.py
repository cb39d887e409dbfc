"""A run's life: preflight, queue, supervisor, worker, pipeline, housekeeping."""
