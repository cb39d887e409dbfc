"""The store: everything that must outlive a process. SQLite in WAL mode, or PostgreSQL."""

from drpo.home import run_folder, workspace
from drpo.store.database import Store

__all__ = ["Store", "run_folder", "workspace"]
