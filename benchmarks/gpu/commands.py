"""The smoke test's steps that go through commands: queue, worker process, kill, resume, export."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.gpu.material import write_pairs
from benchmarks.gpu.steps import Material, check, distance, weights

ROOT = Path(__file__).parents[2]
UPDATES = 4


class Commands:
    """A workspace of its own, and commands in it."""

    def __init__(self, material: Material) -> None:
        self.material = material
        self.home = material.folder / "home"
        self.straight = ""

    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        """Name and deed of every step."""
        return [
            ("command: plan", self.plan),
            ("command: train in a worker", self.train),
            ("command: killed and resumed", self.killed),
            ("command: evaluate and export", self.evaluate),
        ]

    def plan(self) -> str:
        """What the estimate says before a launch."""
        found = self._json("train", *self._words(), "--dry-run")
        gib = found["memory_bytes"] / 2**30
        wanted = "a GPU" if self.material.device.startswith("cuda") else "the processor"
        check(holds=found["device"] == wanted, otherwise=f"planned for {found['device']}")
        return f"planned for {found['device']}, {gib:.1f} GiB, {found['seconds']:.0f} s"

    def train(self) -> str:
        """A run in a worker process, on the device that the queue gave it."""
        found = self._json("train", *self._words())
        check(holds=found["status"] == "finished", otherwise=str(found.get("error")))
        self.straight = found["run"]
        device = self._json("show", self.straight)["device"]
        gpu = self.material.device.startswith("cuda")
        check(holds=device.startswith("cuda") == gpu, otherwise=f"it ran on {device}")
        return f"on {device}, {found['wall_seconds']:.1f} s for {UPDATES} updates"

    def killed(self) -> str:
        """A worker that is killed leaves a run that can be resumed, and ends like the others."""
        command = [sys.executable, "-m", "drpo", "train", *self._words(), "--json"]
        known = set(self._folders())
        with subprocess.Popen(
            command, env=self._environment(), cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as foreground:
            run = self._kill_worker(known, foreground)
            said = json.loads(foreground.communicate(timeout=120)[0])
        check(holds=said["status"] == "interrupted", otherwise=f"a killed run is {said['status']}")
        found = self._json("resume", run)
        check(holds=found["status"] == "finished", otherwise=str(found.get("error")))
        straight, cut = (self._policy(one, UPDATES) for one in (self.straight, run))
        moved = distance(straight, self._policy(self.straight, UPDATES - 1))
        apart = distance(cut, straight)
        told = f"it ends {apart:.1e} from the straight run; the last update moves {moved:.1e}"
        check(holds=apart < moved / 2, otherwise=told)
        return f"killed after update {said['updates']}; {told}"

    def evaluate(self) -> str:
        """The commands that follow a run."""
        run = self.straight
        found = self._json("eval", run, "--prompts", "4")
        out = self.material.folder / "exported"
        self._json("export", run, str(out))
        check(holds=bool(weights(out)), otherwise="the export holds no weights")
        return f"{len(found['duels'])} comparisons, {len(weights(out))} tensors exported"

    def _words(self) -> list[str]:
        self.home.mkdir(exist_ok=True)
        pairs = write_pairs(self.material.pairs(), self.material.folder / "pairs.jsonl")
        # Evaluated often, since small policies are kept at evaluations and compared at the end.
        settings: dict[str, Any] = self.material.settings(
            lora_rank=8, data=str(pairs), updates=UPDATES, eval_every=1
        )
        if self.material.device.startswith("cuda"):
            settings["device"] = "auto"
        found = []
        for name, value in settings.items():
            found += [f"--{name.replace('_', '-')}", str(value)]
        return found

    def _environment(self) -> dict[str, str]:
        path = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        return {**os.environ, "DRPO_HOME": str(self.home), "PYTHONPATH": path}

    def _json(self, *words: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "drpo", *words, "--json"],
            env=self._environment(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        check(
            holds=done.returncode == 0,
            otherwise=f"drpo {words[0]} ended with {done.returncode}: {done.stderr[-600:]}"
            f"{done.stdout[-600:]}",
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def _folders(self) -> list[Path]:
        return sorted((self.home / "runs").glob("*"))

    def _policy(self, run: str, step: int) -> Path:
        return self.home / "runs" / run / "checkpoints" / f"step-{step:06d}" / "policy"

    def _kill_worker(self, known: set[Path], foreground: subprocess.Popen[str]) -> str:
        """Wait for a few updates of the run that is not known yet, then end its worker at once."""
        until = time.monotonic() + 120
        while time.monotonic() < until and foreground.poll() is None:
            fresh = [folder for folder in self._folders() if folder not in known]
            if fresh and self._policy(fresh[0].name, UPDATES // 2).is_dir():
                os.kill(int((fresh[0] / "worker.lock").read_text()), signal.SIGKILL)
                return fresh[0].name
            time.sleep(0.02)
        foreground.kill()
        raise RuntimeError("no update was saved in time, so nothing was killed")
