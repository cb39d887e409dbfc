"""Each run in a process of this machine; its worker outlives whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence

from drpo.config.run_config import RunConfig
from drpo.errors import ConfigError
from drpo.executors.interface import LIVES, UNKNOWN, WAITS, Life, Node, worker_log
from drpo.home import fetch_file, home
from drpo.store import Store, run_folder
from drpo.store.schema import Run
from drpo.system import allocator, processes

_children: dict[str, subprocess.Popen[bytes]] = {}
"""Workers that this process started, whichever supervisor did: only their parent can reap them."""
_statuses: dict[str, int] = {}
"""How those that are reaped ended, until the run is started again."""


def cpu_slots() -> int:
    """How many CPU runs go on at once: `DRPO_CPU_SLOTS`, by default 2 (a story is two runs)."""
    text = os.environ.get("DRPO_CPU_SLOTS", "")
    return max(1, int(text)) if text.isdigit() else 2


class HereExecutor:
    """What processes and threads of this machine have in common: its devices."""

    elsewhere = False

    def __init__(self) -> None:
        self._gpus = processes.gpus()

    def nodes(self, live: Sequence[Run]) -> list[Node]:
        """This machine, once for each kind of device."""
        taken, name, slots = taken_here(live), processes.hostname(), cpu_slots()
        of_gpus = len(set(self._gpus) - _gpu_names(taken))
        found = [Node(name, "cpu", slots, max(0, slots - taken.count("cpu")))]
        return [*found, Node(name, "cuda", len(self._gpus), of_gpus)] if self._gpus else found

    def free_device(self, config: RunConfig, live: Sequence[Run]) -> str | None:
        """See `free_device`."""
        return free_device(config, self._gpus, taken_here(live))

    def tail(self, run: Run) -> str:
        """The last lines of worker.log."""
        return worker_log(run)


class ProcessExecutor(HereExecutor):
    """A process of its own for each run."""

    def start(self, store: Store, run: Run, device: str) -> None:
        """Start a process."""
        _statuses.pop(run.id, None)
        _children[run.id] = start_worker(store, run.id, device)

    def alive(self, run: Run) -> Life:
        """Whether its process does; a process of another machine is known by its heartbeat."""
        if run.pid is None:
            return WAITS
        if not processes.is_here(run):
            return UNKNOWN
        return LIVES if processes.process_lives(run) else Life("gone", _statuses.get(run.id))

    def stop(self, run: Run, *, now: bool) -> bool:
        """Send SIGTERM, on which a worker saves, or SIGKILL to it and its children."""
        if now:
            return processes.kill_worker(run)
        if run.pid is None or run.pid == os.getpid() or not processes.is_here(run):
            return False
        try:
            os.kill(run.pid, signal.SIGTERM)
        except ProcessLookupError:
            return False
        return True

    def tidy(self) -> None:
        """Reap the processes that ended, so that none is left as a zombie."""
        for run_id, child in list(_children.items()):
            if child.poll() is not None:
                _statuses[run_id] = child.returncode
                del _children[run_id]


def taken_here(live: Sequence[Run]) -> list[str]:
    """The devices of this machine that runs in its processes and threads have."""
    return [
        run.device
        for run in live
        if processes.is_here(run) and run.config["run"]["executor"] in ("process", "thread")
    ]


def free_device(config: RunConfig, gpus: list[str], taken: list[str]) -> str | None:
    """Choose a device for a run, or several: one run a GPU, a few on the processor.

    Args:
        config: The run's settings; `device` is auto, cpu, cuda or cuda:N.
        gpus: GPUs of this machine.
        taken: Devices of runs that are going on.

    Returns:
        `cpu`, `cuda:NAME`, `cuda:NAME,NAME`, or None when the run has to wait.

    Raises:
        ConfigError: It asks for more GPUs than there are.
    """
    wanted, devices = config.models.device, config.models.devices
    if wanted == "cpu" or (wanted == "auto" and not gpus):
        return "cpu" if taken.count("cpu") < cpu_slots() else None
    names = [wanted.removeprefix("cuda:")] if wanted.startswith("cuda:") else gpus
    if not names:
        # Asked for a GPU where none is seen: let the worker say so in a sentence.
        return None if "cuda" in taken else "cuda"
    if len(names) < devices:
        raise ConfigError(
            f"devices is {devices}, but there are {len(names)} GPUs here; set devices to at most "
            "that, as in `drpo resume RUN devices=1`."
        )
    busy = _gpu_names(taken)
    free = [name for name in names if name not in busy]
    return None if len(free) < devices else f"cuda:{','.join(free[:devices])}"


def _gpu_names(taken: Sequence[str]) -> set[str]:
    """The GPUs among some runs' devices: a run may have several."""
    return {name for device in taken for name in device.removeprefix("cuda:").split(",")}


def worker_environment(store: Store) -> dict[str, str]:
    """What every worker is told by its environment, wherever it is."""
    return {
        "DRPO_HOME": home(),
        "DRPO_DATABASE_URL": store.url,
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # Threads that wait for one another look a few times, then sleep. Spinning long, as is
        # usual, they keep busy the core that the late one needs, and on a shared machine a run
        # stands still; sleeping at once, they are woken a hundred thousand times an update, which
        # takes two fifths of it on a quiet one.
        "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "2000"),
    }


def start_worker(store: Store, run_id: str, device: str) -> subprocess.Popen[bytes]:
    """Start a run's worker in a session of its own, its output in worker.log."""
    folder = run_folder(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    fetch_file(folder / "worker.log")  # a run that was elsewhere goes on with its log
    environment = {**worker_environment(store), **allocator.preload()}
    if device.startswith("cuda:"):
        # The worker sees its own GPUs alone, the first as cuda:0: nothing lands on another run's.
        environment["CUDA_VISIBLE_DEVICES"] = device.removeprefix("cuda:")
    child = processes.start_module(
        "drpo.runs.worker", run_id, log=folder / "worker.log", environment=environment
    )
    store.runs.change(run_id, pid=child.pid, pid_started=processes.start_time(child.pid))
    return child
