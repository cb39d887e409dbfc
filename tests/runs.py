"""Runs small enough for tests: toy pairs in a file, tiny random models, a store in a folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from toy import WORDS, toy_config, toy_pairs

from drpo.config.run_config import RunConfig
from drpo.store import Store
from drpo.store.schema import Run


def write_pairs(path: Path, count: int = 24, first: int = 0) -> Path:
    rows = [
        {"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected}
        for pair in toy_pairs(count, first)
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def write_with_facts(path: Path, count: int, first: int = 0, bare: Collection[int] = ()) -> Path:
    """Toy pairs that state their facts; those at the places of `bare` do not."""
    rows = [
        {"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected}
        | ({} if place in bare else {"facts": dict(pair.facts)})
        for place, pair in enumerate(toy_pairs(count, first))
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    gold = {"kind": "facts", "strict": False, "slots": {"colour": list(WORDS)}}
    path.with_name(path.name + ".gold.json").write_text(json.dumps(gold), encoding="utf-8")
    return path


def small_config(folder: Path, model: Path, scorer: Path | None, **settings: Any) -> RunConfig:
    """A run of a few updates on toy pairs written into `folder`."""
    data = write_pairs(folder / "pairs.jsonl")
    heldout = write_pairs(folder / "heldout.jsonl", 6, first=100)
    values = {
        "data": str(data),
        "heldout": str(heldout),
        "policy": str(model),
        "reward_model": None if scorer is None else str(scorer),
        **settings,
    }
    return toy_config(model, scorer or model).replace(**values)


def wait_until(
    store: Store, run_id: str, wanted: Callable[[Run], bool], seconds: float = 180
) -> Run:
    """Poll until the run is as wanted; a run that failed fails the test at once."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        run = store.runs.get(run_id)
        if wanted(run):
            return run
        if run.status in ("failed", "interrupted"):
            raise AssertionError(f"{run.status}: {run.error}")
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s; status {run.status}, step {run.step}")
