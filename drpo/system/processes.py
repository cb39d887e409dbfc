"""Which processes live, who holds a lock, and which devices there are; all without torch."""

from __future__ import annotations

import fcntl
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from drpo.store.schema import Run  # data files are decoded without a store

STALLED_SECONDS = 8.0
"""Workers beat every second; after so many missed beats one is said to stand still."""
SAME_START = 0.5
"""Seconds by which two readings of one process's start may differ on the clock of the wall."""


def start_module(
    module: str,
    *arguments: str,
    log: Path | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `python -m module` with this Python.

    Args:
        module: The module; its `main` reads the arguments.
        arguments: What stands behind it on the command line.
        log: Both outputs are added to this file, and the process leads a session of its own: it
            outlives this one, a closed terminal and a Ctrl-C. Without it, the outputs are two
            pipes, and whoever started the process reads them and ends it.
        stdin: What it reads: nothing, an open file, or `subprocess.PIPE`.
        environment: Variables beside this process's own.

    Returns:
        The process. Keep it, or Python complains of a child that nobody waited for.

    Raises:
        OSError: The log cannot be written, or the system has no room for another process.
    """
    command = [sys.executable, "-m", module, *arguments]
    variables = {**os.environ, **(environment or {})}
    pipe = subprocess.PIPE
    if log is None:
        return subprocess.Popen(command, stdin=stdin, stdout=pipe, stderr=pipe, env=variables)
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=variables,
        )


def hostname() -> str:
    """The name of this machine, as runs carry it."""
    return socket.gethostname()


def start_time(pid: int) -> float | None:
    """When the process of this pid started, or None when there is none; see `same_process`.

    Seconds since the machine did where /proc tells them: seconds since 1970 move for every process
    when somebody sets the clock, a network's time does, or a virtual machine wakes up.
    """
    process = _living(pid)
    return None if process is None else _since_boot(pid) or _since_1970(process)


def same_process(pid: int | None, started: float | None) -> bool:
    """Whether the process of this pid lives and is the one whose `start_time` was read.

    Args:
        pid: Its pid, which may since belong to another process.
        started: What `start_time` said then. Earlier versions kept seconds since 1970.
    """
    if pid is None or started is None or (process := _living(pid)) is None:
        return False
    if _since_boot(pid) == started:
        return True
    now = _since_1970(process)
    return now is not None and abs(now - started) < SAME_START


def _living(pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        # A zombie has ended; it only waits for a parent that may never come for it.
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.Error:
        return None


def _since_boot(pid: int) -> float | None:
    """Field 22 of /proc/PID/stat in seconds; None where there is no such file."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the program's name in brackets, which may hold spaces and brackets.
    return int(stat.rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")


def _since_1970(process: psutil.Process) -> float | None:
    try:
        return process.create_time()
    except psutil.Error:
        return None


def is_here(run: Run) -> bool:
    """Whether the run's worker is, or was, a process of this machine."""
    return run.host in ("", hostname())


def process_lives(run: Run) -> bool:
    """Whether the very process that carried the run out still exists on this machine."""
    return same_process(run.pid, run.pid_started)


def seconds_silent(run: Run, *, now: float | None = None) -> float | None:
    """How long a run has given no sign of life; None while it does, or has none to give.

    A worker that lives and is silent hangs, is held (SIGSTOP), or cannot write to the store.

    Args:
        run: As the store has it now.
        now: Seconds since 1970.
    """
    if run.status not in ("running", "paused") or run.heartbeat_at is None or not is_here(run):
        return None  # another machine's clock may be set otherwise
    silent = (time.time() if now is None else now) - run.heartbeat_at
    return silent if silent > STALLED_SECONDS else None


def kill_worker(run: Run) -> bool:
    """End a run's worker and its children at once; say whether there was one to end.

    A run in a thread cannot be ended alone, it would take its dashboard or notebook with it; it is
    left as it is.
    """
    in_thread = run.config["run"]["executor"] == "thread" or run.pid == os.getpid()
    if in_thread or run.pid is None or not is_here(run) or not process_lives(run):
        return False
    try:
        # A worker leads a session of its own, so its group is the worker and its children.
        if os.getpgid(run.pid) == run.pid:
            os.killpg(run.pid, signal.SIGKILL)
        else:
            os.kill(run.pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


class Lock:
    """A lock that the system lets go of when its holder dies, however it dies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def acquire(self, seconds: float = 0.0) -> bool:
        """Take the lock if it is free, or is so within these seconds; say whether it is held."""
        until = time.monotonic() + seconds
        while not self._acquired():
            if time.monotonic() >= until:
                return False
            time.sleep(0.05)
        return True

    def _acquired(self) -> bool:
        if self._file is not None:
            return True
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file
        return True

    def release(self) -> None:
        """Let go."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def holder(self) -> int | None:
        """The pid of whoever holds the lock, or None when it is free."""
        if self._file is not None:
            return os.getpid()
        if self.acquire():
            self.release()
            return None
        text = self.path.read_text(encoding="utf-8").strip()
        return int(text) if text.isdigit() else 0


def gpus() -> list[str]:
    """The NVIDIA GPUs a run may use, by index or by the names in CUDA_VISIBLE_DEVICES."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip() not in ("", "-1")]
    return [line.strip() for line in _nvidia_smi("index", 20).splitlines() if line.strip()]


@dataclass(frozen=True, slots=True)
class Gpu:
    """How busy an NVIDIA GPU is; nan for what it does not tell."""

    index: str
    uuid: str
    use: float
    """Share of the last second in which it computed anything."""
    used: float
    """Bytes of its memory in use, by whatever process."""
    total: float


def gpu_use(timeout: float = 1.0) -> list[Gpu]:
    """How busy this machine's GPUs are now; none where nvidia-smi is missing or too slow."""
    fields = "index,uuid,utilization.gpu,memory.used,memory.total"
    return read_gpu_use(_nvidia_smi(fields, timeout))


def read_gpu_use(listed: str) -> list[Gpu]:
    """Read what nvidia-smi lists: index, uuid, per cent in use, MiB used, MiB in all.

    Args:
        listed: One GPU a line, as CSV without heads and units. A figure that a GPU does not tell
            stands there as `[N/A]`.
    """
    rows = [[part.strip() for part in line.split(",")] for line in listed.splitlines()]
    return [
        Gpu(index, uuid, _figure(use) / 100, _figure(used) * 2**20, _figure(total) * 2**20)
        for index, uuid, use, used, total in (row for row in rows if len(row) == 5)
    ]


def _figure(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _nvidia_smi(fields: str, timeout: float) -> str:
    """What nvidia-smi says of every GPU, one a line; empty where it cannot be asked."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    try:
        return subprocess.run(
            [tool, f"--query-gpu={fields}", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=True,
        ).stdout
    except (subprocess.SubprocessError, OSError):
        return ""


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
