"""Workers that start at once: one process loads torch, and every worker is a fork of it.

`python workers.py` reads a run's id and its workspace, one run a line, forks a worker for it, and
answers with its pid. It has one thread, so that a fork of it is whole.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


class Workers:
    """Starts workers for runs of the workspace that DRPO_HOME names."""

    def __init__(self) -> None:
        folder = Path(__file__).parent
        self._parent = subprocess.Popen(
            [sys.executable, str(folder / "workers.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self._parent.stdout is not None
        assert self._parent.stdout.readline() == "ready\n"

    def start(self, run_id: str) -> int:
        """Start a run's worker; returns its pid."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(f"{run_id} {os.environ['DRPO_HOME']}\n")
        self._parent.stdin.flush()
        return int(self._parent.stdout.readline())

    def close(self) -> None:
        """End them all."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.close()
        self._parent.wait(60)
        self._parent.stdout.close()


def main() -> None:
    import torch

    from drpo import stages  # noqa: F401 - loaded before the forks
    from drpo.data import run_data  # noqa: F401
    from drpo.runs import pipeline, worker  # noqa: F401

    torch.set_num_threads(1)
    # Nobody waits for a worker; the system forgets it when it ends.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        run_id, home = line.strip().split(" ", 1)
        pid = os.fork()
        if pid == 0:
            os.setsid()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.environ["DRPO_HOME"] = home
            os.environ.pop("DRPO_DATABASE_URL", None)
            try:
                worker.main([run_id])
            except SystemExit as ended:
                os._exit(int(ended.code or 0))
            finally:
                os._exit(70)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
