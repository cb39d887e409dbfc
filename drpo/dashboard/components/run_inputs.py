"""What a run is made of: where its settings start from, and which data sets and models are here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.client.config import RunConfig
from drpo.dashboard.client.store import store
from drpo.dashboard.components import forms
from drpo.dashboard.components.run_choice import label, offered
from drpo.i18n import t

INPUTS = ("data", "heldout", "policy", "reward_model")
"""Settings that name a data set or a model."""
DEMONSTRATIONS = "demonstrations"
"""The setting that names answers to reset into."""


def starting_points(asked: Sequence[str] = ()) -> dict[str, str]:
    """What the form can start from: sample tasks that are here, and earlier runs.

    Args:
        asked: Starting points that must be offered too; it is said which of them are not here.
    """
    points = {}
    for name, task in client.runs.TASKS.items():
        if task.is_here(name):
            points[f"sample-{name}"] = t(f"launch.sample_{name}")
    points["blank"] = t("launch.blank")
    runs = offered(store().runs.all(limit=50), [point for point in asked if point not in points])
    return points | {run_id: t("launch.like", name=label(run)) for run_id, run in runs.items()}


def settings_of(point: str) -> dict[str, Any]:
    """All settings of a starting point by leaf name; a new run gets a new name."""
    if point.startswith("sample-"):
        values = client.runs.demo_config(point.removeprefix("sample-")).flat()
    elif point == "blank":
        values = RunConfig.of(data="-", policy="-").flat() | {"data": None, "policy": None}
    else:
        values = RunConfig.from_nested(store().runs.get(point).config).flat()
    return values | {"name": ""}


def known_inputs() -> dict[str, list[str]]:
    """Data sets and models that are known here, by setting."""
    files = sorted((client.runs.SAMPLES / "files").glob("*.json*"))
    saved = list(dict.fromkeys(dataset.name for dataset in store().datasets.all()))
    single = client.data.demonstration_sets()
    pairs = [name for name in saved if name not in single]
    samples = [str(path) for path in files if not path.name.endswith(".gold.json")]
    models = sorted(path for path in (client.runs.SAMPLES / "models").glob("*") if path.is_dir())
    scorers = [str(path) for path in models if _is_scorer(path)]
    return {
        "data": pairs + samples,
        "heldout": pairs + samples,
        DEMONSTRATIONS: single + pairs + samples,
        "policy": [str(path) for path in models if str(path) not in scorers]
        + [str(path) for path in client.runs.added()],
        "reward_model": scorers,
    }


def _is_scorer(folder: Path) -> bool:
    try:
        card = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return any("SequenceClassification" in name for name in card.get("architectures") or [])


def choose_input(leaf: str, value: str | None, options: list[str], *, key: str) -> str | None:
    """A choice among what is known, which also takes a path or a Hub name that is typed in."""
    known = list(dict.fromkeys([*([value] if value else []), *options]))
    chosen = st.selectbox(
        forms.label(leaf),
        known,
        index=known.index(value) if value else None,
        key=key,
        format_func=short_name,
        accept_new_options=True,
        help=forms.help_of(leaf),
        placeholder=t(f"launch.choose_{leaf}"),
    )
    return chosen or None


def short_name(source: str) -> str:
    """A path of the sample material by its own name; everything else as it is."""
    path = Path(source)
    return f"{path.name} ({t('launch.sample')})" if client.runs.SAMPLES in path.parents else source
