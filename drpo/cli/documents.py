"""Runs and answers as `--json` shows them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from drpo.config.stored import without_secrets
from drpo.store import Store
from drpo.store.schema import LIVE_STATUSES, Dataset, Run, SampleRow
from drpo.system import processes
from drpo.types import Sample


def run_document(run: Run) -> dict[str, Any]:
    """A run as `--json` shows it; `pid` while it is live."""
    summary = run.summary
    document = {
        "run": run.id,
        "name": run.name,
        "status": run.status,
        "stage": run.stage,
        "method": run.config["run"]["method"],
        "updates": run.step,
        "updates_planned": run.config["ppo"]["updates"],
        "episodes": summary.get("episodes", 0),
        "wall_seconds": summary.get("wall_seconds", 0.0),
        "first": summary.get("first"),
        "last": summary.get("last"),
    }
    if run.status in LIVE_STATUSES:
        document["pid"] = run.pid if processes.process_lives(run) else None
    if run.error:
        document["error"] = run.error
    return document


def full_document(store: Store, run: Run) -> dict[str, Any]:
    """A run with all its figures, its settings and what happened to it."""
    known = set(run_document(run))
    rest = {key: value for key, value in run.summary.items() if key not in known}
    return {
        **run_document(run),
        **rest,
        "device": run.device,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "config": without_secrets(run.config),
        "knobs": store.events.setting_changes(run.id),
        "events": [
            {
                "step": event.step,
                "kind": event.kind,
                "message": event.message,
                "who": event.who,
                "at": event.created_at,
                "payload": event.payload,
            }
            for event in store.events.since(run.id)
        ],
    }


def sample_document(sample: SampleRow) -> dict[str, Any]:
    """One answer as `--json` shows it."""
    return {field.name: getattr(sample, field.name) for field in fields(Sample)}


def version_document(version: Dataset) -> dict[str, Any]:
    """A saved version of a data set as `--json` shows it."""
    return {
        "id": version.id,
        "name": version.name,
        "version": version.version,
        "rows": version.rows,
        "content_hash": version.content_hash,
        "source": version.source,
        "recipe": version.recipe,
        "created_at": version.created_at,
    }
