"""The store: everything that must outlive a process. SQLite in WAL mode, or PostgreSQL."""

from drpo.store.database import Store, run_folder, workspace

__all__ = ["Store", "run_folder", "workspace"]
