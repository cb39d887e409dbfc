"""What a run told, for holding one that was broken off against the straight one."""

from __future__ import annotations

from typing import Any

from drpo.store import Store, run_folder

SAMPLE = ("step", "kind", "item", "start", "prefix", "response", "score", "kl", "weights")
KINDS = ("checkpoint", "alarm", "setting", "stage")


def told(store: Store, run_id: str) -> dict[str, Any]:
    """Metrics, samples and events of a run without times, and the bytes of all its weights."""
    frame = store.metrics.since(run_id)
    timed = frame["name"].str.contains("timing_s/") | (frame["name"] == "eps")
    metrics = frame[~timed][["step", "name", "value"]].itertuples(index=False, name=None)
    samples = [
        tuple(getattr(row, column) for column in SAMPLE)
        for kind in ("heldout", "episode")
        for step in store.samples.steps(run_id, kind)
        for row in store.samples.at(run_id, step, kind)
    ]
    events = [(e.step, e.kind, e.message) for e in store.events.since(run_id, kinds=KINDS)]
    folder = run_folder(run_id)
    weights = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*.safetensors")
    }
    return {"metrics": sorted(metrics), "samples": samples, "events": events, "weights": weights}


def assert_told_alike(store: Store, one: str, other: str) -> None:
    """See that two runs told the same, nothing twice and nothing left out."""
    mine, theirs = told(store, one), told(store, other)
    assert mine["weights"].keys() == theirs["weights"].keys()
    for name, content in mine["weights"].items():
        assert content == theirs["weights"][name], name
    for what in ("metrics", "samples", "events"):
        assert [row for row in mine[what] if row not in theirs[what]] == [], what
        assert [row for row in theirs[what] if row not in mine[what]] == [], what
        assert mine[what] == theirs[what], what
