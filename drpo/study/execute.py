"""Get the study's runs done: through the ordinary queue and workers, and on after a stop."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from drpo.errors import RunError
from drpo.executors.process import cpu_slots
from drpo.i18n import Language, t
from drpo.runs.background_supervisor import hand_over
from drpo.runs.demo import SAMPLES
from drpo.runs.estimate import estimate_run
from drpo.runs.supervisor import Supervisor
from drpo.store import Store
from drpo.store.schema import LIVE_STATUSES, Run
from drpo.study.plan import Planned, start_name
from drpo.system import control

POLL_SECONDS = 2.0
RETRIES = 3
"""How often runs whose workers died are taken up again before the study gives up on them."""
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the study is."""

    finished: int
    live: int
    failed: int
    missing: int

    def text(self, lang: Language | None = None) -> str:
        """It in a line."""
        return t(
            "study.stands",
            lang=lang,
            finished=self.finished,
            live=self.live,
            failed=self.failed,
            missing=self.missing,
        )


def run_of(store: Store, planned: Planned) -> Run | None:
    """Return the newest run of a plan entry."""
    found = store.runs.all(story=planned.story, archived=True)
    return max(found, key=lambda run: run.created_at, default=None)


def standing(store: Store, planned: Sequence[Planned]) -> Standing:
    """Count where the runs stand; asked every other second, so the store is read once for all."""
    every = sorted(store.runs.all(archived=True), key=lambda run: run.created_at)
    newest = {run.story: run.status for run in every}
    statuses = [newest.get(one.story, "") for one in planned]
    live = sum(status in LIVE_STATUSES for status in statuses)
    finished, failed = statuses.count("finished"), statuses.count("failed")
    return Standing(finished, live, failed, len(statuses) - live - finished - failed)


def queue(store: Store, planned: Sequence[Planned], policies: Path) -> None:
    """Queue what is missing and let what was interrupted or stopped go on."""
    for one in planned:
        run = run_of(store, one)
        if run is None:
            store.runs.create(one.config(policies), story=one.story)
        elif run.status in ("interrupted", "stopped", "paused"):
            control.resume(store, run.id, "study")


def hours_left(store: Store, planned: Sequence[Planned], policies: Path) -> float:
    """Estimate how many hours of running are left, over all processes at once.

    By what runs of the same kind took on this machine where there are some, else by arithmetic,
    which is good to a factor of two.

    Args:
        store: The workspace's store.
        planned: The runs.
        policies: Where further start policies are kept; one that is not made yet counts as the
            sample material's own.
    """
    seconds = 0.0
    for one in planned:
        run = run_of(store, one)
        if run is not None and run.status == "finished":
            continue
        config = replace(one, start=None).config(policies)
        done = 0 if run is None else run.step
        whole = estimate_run(config, store).seconds
        seconds += whole * (1 - done / config.ppo.updates)
    return seconds / 3600 / cpu_slots()


def make_starts(planned: Sequence[Planned], policies: Path, progress: Progress) -> None:
    """Train the further start policies that are not there yet.

    Raises:
        RunError: The script that makes them failed.
    """
    wanted = sorted({one.start for one in planned if one.start is not None})
    for success in wanted:
        folder = policies / start_name(success)
        if (folder / "config.json").is_file():
            continue
        progress(t("study.start_policy", success=f"{success:.1%}"))
        script = SAMPLES / "make.py"
        command = [sys.executable, str(script), "start-policy"]
        done = subprocess.run(
            [*command, "--success", str(success), "--out", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise RunError(f"{script} could not make the start policy {folder.name}: {last}")


def carry_out(
    store: Store,
    planned: Sequence[Planned],
    policies: Path,
    *,
    hours: float,
    progress: Progress,
) -> Standing:
    """Run the study until it is done or its time is up; then runs save and stop.

    Args:
        store: The workspace's store.
        planned: The runs.
        policies: Where further start policies are kept.
        hours: Most time to take.
        progress: Told where it stands.

    Returns:
        Where it stands at the end; the same call later goes on from there.
    """
    until = time.monotonic() + 3600 * hours
    make_starts(planned, policies, progress)
    queue(store, planned, policies)
    supervisor = Supervisor(store)
    supervisor.start()
    again = RETRIES
    try:
        while True:
            now = standing(store, planned)
            progress(now.text())
            if now.live == 0 and (now.missing == 0 or again == 0):
                return now
            if now.live == 0:
                # Workers died with whatever held them; the supervisor has just found that out.
                again -= 1
                queue(store, planned, policies)
            if time.monotonic() > until:
                return _stop(store, planned, progress)
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        _stop(store, planned, progress)
        raise
    finally:
        hand_over(supervisor)


def _stop(store: Store, planned: Sequence[Planned], progress: Progress) -> Standing:
    """Let what runs save and stop; what waits leaves the queue."""
    progress(t("study.stopping"))
    for one in planned:
        run = run_of(store, one)
        if run is not None and run.status in LIVE_STATUSES:
            control.stop(store, run.id, "study")
    until = time.monotonic() + 120
    while (now := standing(store, planned)).live and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    return now
