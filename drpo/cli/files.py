"""`drpo samples`, `drpo export` and `drpo app`: what a run wrote, its model, the dashboard."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from drpo.cli.documents import sample_document
from drpo.cli.options import Json
from drpo.cli.output import figure, print_json, say
from drpo.errors import RunError
from drpo.i18n import t
from drpo.store import Store
from drpo.system.bundled import bundled


def samples(
    run: str,
    as_json: Json = False,
    step: Annotated[int | None, typer.Option(help="Which evaluation; the last by default.")] = None,
    kind: Annotated[
        str, typer.Option(help="heldout: fixed held-out prompts; episode: training episodes.")
    ] = "heldout",
) -> None:
    """Show what a run writes: prompt, reset prefix in brackets, answer, score."""
    store = Store()
    found = store.runs.find(run)
    steps = store.samples.steps(found.id, kind)
    if not steps:
        raise RunError(f"{found.id} has written no answers of kind {kind!r} yet.")
    if step is not None and step not in steps:
        raise RunError(f"{found.id} kept answers at {', '.join(map(str, steps))}; got {step}.")
    chosen = steps[-1] if step is None else step
    rows = store.samples.at(found.id, chosen, kind)
    if as_json:
        kept = [sample_document(row) for row in rows]
        print_json({"run": found.id, "step": chosen, "steps": steps, "samples": kept})
        return
    for row in rows:
        say(t("cli.item", item=row.item, step=row.step))
        say(row.prompt)
        say((f"[{row.prefix}]" if row.prefix else "") + row.response)
        shown = {"scores": row.score, "gold": row.gold, "kl": row.kl}
        say("  ".join(f"{t(f'cli.{name}')} {figure(one)}" for name, one in shown.items()))


def export(run: str, folder: Path, as_json: Json = False) -> None:
    """Write a run's policy as a folder that `from_pretrained` loads."""
    store = Store()
    found = store.runs.find(run)
    from drpo.runs import worker  # loads torch, which the other commands do without

    worker.export(found.id, folder, store)
    if as_json:
        print_json({"run": found.id, "folder": str(folder.resolve())})
    else:
        say(f"{found.id} -> {folder}")


def dashboard(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8501,
    address: Annotated[
        str,
        typer.Option(help="Where it listens; elsewhere than here it asks for a printed token."),
    ] = "127.0.0.1",
) -> None:
    """Start the dashboard on http://127.0.0.1:8501; open that address in a browser."""
    script = bundled("app.py")
    words = [sys.executable, "-m", "streamlit", "run", str(script)]
    words += ["--server.port", str(port), "--server.address", address]
    # This process becomes the server: whatever ends `drpo app` ends it too.
    os.execv(sys.executable, words)
