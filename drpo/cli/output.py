"""How the command line prints: one JSON document, a table, or a line of progress."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import typer

from drpo.store import Store
from drpo.store.schema import LIVE_STATUSES, Run, SampleRow
from drpo.system import processes
from drpo.types import Sample


def print_json(document: Any) -> None:  # noqa: ANN401 - any JSON
    """Print one JSON document; numbers that JSON lacks become null."""
    typer.echo(json.dumps(_plain(document), ensure_ascii=False, indent=2, allow_nan=False))


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


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
        "config": run.config,
        "knobs": store.events.knobs(run.id),
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


def print_table(rows: Sequence[Sequence[str]], heads: Sequence[str]) -> None:
    """Print left-aligned columns."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in [heads, *rows]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        typer.echo("  ".join(cells).rstrip())


def figure(value: float | None, digits: int = 2) -> str:
    """A number for a table; a dash when there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


class ProgressLine:
    """One line on standard error that is written over while a run goes on."""

    def __init__(self) -> None:
        self._on_terminal = sys.stderr.isatty()
        self._last = ""

    def show(self, text: str) -> None:
        """Replace the line; where there is no terminal, print a line only when it changed."""
        if text == self._last:
            return
        if self._on_terminal:
            typer.echo(f"\r{text.ljust(len(self._last))}", nl=False, err=True)
        else:
            typer.echo(text, err=True)
        self._last = text

    def end(self) -> None:
        """Leave the line as it stands."""
        if self._on_terminal and self._last:
            typer.echo("", err=True)
        self._last = ""
