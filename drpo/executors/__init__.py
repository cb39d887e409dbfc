"""Where runs are carried out: processes and threads of this machine, Ray, Slurm.

An executor starts a run's worker, ends it, and says whether it lives and how many more fit. The
queue, retries and resumes stay with the store and the supervisor, whatever carries a run out.
"""

from drpo.executors.choice import Executors, installed, missing_package, name_of
from drpo.executors.interface import Executor, ExecutorAwayError, Life, Node

__all__ = [
    "Executor",
    "ExecutorAwayError",
    "Executors",
    "Life",
    "Node",
    "installed",
    "missing_package",
    "name_of",
]
