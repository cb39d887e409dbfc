"""Talk to the playground's engine, starting it when it is not there. No torch."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from drpo.errors import ConfigError, RunError
from drpo.home import home
from drpo.playground.counterfactuals import FEWEST_CONTINUATIONS, MOST_CONTINUATIONS
from drpo.playground.protocol import PlaygroundSource, Sampling, socket_note
from drpo.store import workspace
from drpo.system import processes

START_SECONDS = 120.0
"""How long loading torch may take on a busy machine."""
_started: list[subprocess.Popen[bytes]] = []
"""Engines that this process started; looked at again so that none stays behind as a zombie."""
SILENT_SECONDS = 300.0
"""How long one line may take: a large checkpoint is loaded before its first token."""


class Playground:
    """The playground of this workspace.

    Args:
        idle_seconds: After how long without a request a newly started engine ends; None leaves it
            to the engine.
    """

    def __init__(self, idle_seconds: float | None = None) -> None:
        self._idle_seconds = idle_seconds

    def running(self) -> bool:
        """Whether an engine serves this workspace now."""
        return self._lock().holder() is not None and socket_note(workspace()).exists()

    def ask(
        self,
        sources: Sequence[PlaygroundSource],
        prompt: str,
        sampling: Sampling,
        *,
        prefix: str = "",
    ) -> Iterator[dict[str, Any]]:
        """Let checkpoints answer a prompt, and yield what they write as they write it.

        Args:
            sources: One to four checkpoints.
            prompt: The prompt, exactly as the policy should read it.
            sampling: How to draw.
            prefix: The beginning of the answer, when it is given.

        Yields:
            Lines as `drpo.playground.protocol` lists them. Closing the iterator ends the writing.

        Raises:
            ConfigError: A sampling setting is out of range.
            RunError: The engine cannot be started, or broke off.
        """
        request = {
            "op": "write",
            "sources": [source.to_json() for source in sources],
            "prompt": prompt,
            "prefix": prefix,
            "sampling": asdict(sampling.checked()),
        }
        self.start()
        yield from self._lines(request)

    def branch(
        self,
        source: PlaygroundSource,
        prompt: str,
        answer: str,
        sampling: Sampling,
        *,
        positions: Sequence[int] = (),
        count: int = FEWEST_CONTINUATIONS,
    ) -> Iterator[dict[str, Any]]:
        """Let a checkpoint continue an answer from some of its tokens, several times each.

        Args:
            source: The checkpoint.
            prompt: The prompt, exactly as the policy should read it.
            answer: The answer, by this checkpoint or anybody else.
            sampling: How to draw; `max_tokens` counts what is given, as in training.
            positions: How many of the answer's tokens are given, each time; none to be told its
                tokens only.
            count: Continuations of each position.

        Yields:
            Lines as `drpo.playground.protocol` lists them. Closing the iterator ends the writing.

        Raises:
            ConfigError: A sampling setting, or the number of continuations, is out of range.
            RunError: The engine cannot be started, or broke off.
        """
        if not FEWEST_CONTINUATIONS <= count <= MOST_CONTINUATIONS:
            raise ConfigError(
                f"continuations: expected {FEWEST_CONTINUATIONS} to {MOST_CONTINUATIONS}, got "
                f"{count}."
            )
        request = {
            "op": "branch",
            "sources": [source.to_json()],
            "prompt": prompt,
            "answer": answer,
            "positions": list(positions),
            "count": count,
            "sampling": asdict(sampling.checked()),
        }
        self.start()
        yield from self._lines(request)

    def start(self) -> None:
        """Start the engine unless it is there; returns when it answers.

        Raises:
            RunError: It does not come up.
        """
        if self.running() and self._answers():
            return
        deadline = time.monotonic() + START_SECONDS
        child = self._spawn()
        while time.monotonic() < deadline:
            if self.running() and self._answers():
                return
            if child.poll() is not None and not self.running():
                break
            time.sleep(0.1)
        log = workspace() / "playground.log"
        raise RunError(f"The playground could not be started; {log} tells why.")

    def stop(self) -> None:
        """End the engine and give its memory back; nothing happens when there is none."""
        pid = self._lock().holder()
        if pid and pid != os.getpid():
            os.kill(pid, signal.SIGTERM)
        while self._lock().holder() is not None:
            time.sleep(0.05)
        for child in _started:
            child.wait()

    def hello(self) -> dict[str, Any]:
        """What a running engine says of itself: device, checkpoints in memory."""
        return next(self._lines({"op": "hello"}))

    def _answers(self) -> bool:
        try:
            return str(self.hello()["kind"]) == "done"
        except (RunError, OSError, ValueError):
            return False

    def _lock(self) -> processes.Lock:
        return processes.Lock(workspace() / "playground.lock")

    def _spawn(self) -> subprocess.Popen[bytes]:
        workspace().mkdir(parents=True, exist_ok=True)
        # A short path of its own, open to its owner only: a socket's name has at most 108 bytes.
        folder = Path(tempfile.mkdtemp(prefix="drpo-"))
        idle = [] if self._idle_seconds is None else [str(self._idle_seconds)]
        child = processes.start_module(
            "drpo.playground.engine",
            str(folder),
            *idle,
            log=workspace() / "playground.log",
            stdin=subprocess.PIPE,
            environment={"DRPO_HOME": home()},
        )
        _started[:] = [one for one in _started if one.poll() is None] + [child]
        if child.stdin is not None:
            child.stdin.write(secrets.token_hex(32).encode() + b"\n")
            child.stdin.close()
        return child

    def _lines(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        try:
            note = json.loads(socket_note(workspace()).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError("The playground is not running; ask again to start it.") from error
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(SILENT_SECONDS)
            try:
                connection.connect(note["socket"])
                text = json.dumps({**request, "secret": note["secret"]})
                connection.sendall(text.encode() + b"\n")
                yield from _read(connection)
            except OSError as error:
                raise RunError("The playground broke off; ask again to start it anew.") from error


def _read(connection: socket.socket) -> Iterator[dict[str, Any]]:
    with connection.makefile("rb") as stream:
        for text in stream:
            line = json.loads(text)
            if line["kind"] == "error" and line["at"] is None:
                raise RunError(line["message"])
            yield line
            if line["kind"] == "done":
                return
    raise RunError("The playground broke off; ask again to start it anew.")
