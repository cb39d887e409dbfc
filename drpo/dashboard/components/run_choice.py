"""Which runs a screen offers: those that are listed, and any other that its URL asks for.

A link may name an archived run, or one too old for the list; it must open that run and no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from drpo.dashboard.client.store import Run, store
from drpo.dashboard.components.notices import notice
from drpo.dashboard.state import url_state
from drpo.i18n import t


def offered(listed: Sequence[Run], asked: Sequence[str]) -> dict[str, Run]:
    """Runs to choose from, by id; says which of those asked for are not here.

    Args:
        listed: The runs that the screen offers by itself.
        asked: Ids of runs that it must offer too.
    """
    runs = {run.id: run for run in listed}
    for run_id in dict.fromkeys(asked):
        if run_id in runs:
            continue
        runs_here = store().runs
        found = runs_here.get(run_id) if runs_here.exists(run_id) else None
        if found is None or found.deleted_at is not None:
            notice("warning", t("frame.run_gone", run=run_id))
        else:
            runs[run_id] = found
    return runs


def choose_run(runs: Mapping[str, Run], default: str, title: str) -> Run:
    """Choose a run; the choice stands in the URL.

    Args:
        runs: What is offered, by id.
        default: The run that is shown where neither a link nor the visitor says anything.
        title: The field's label.
    """
    ids = list(runs)
    names = {run.id: label(run) for run in runs.values()}
    url_state.recall("run", ids, default)
    run_id = st.selectbox(title, ids, key="run", format_func=lambda key: names[key])
    # The newest run is no default for a link: tomorrow it would be another.
    url_state.record("run", run_id)
    return runs[run_id]


def label(run: Run) -> str:
    """A run's name in a list to choose from; the end of its id tells runs of one name apart.

    Streamlit knows an option by its label alone: of two equal labels it takes the last, and a label
    that changes while a screen is open loses what was chosen.
    """
    return f"{run.name} · {run.id[-6:]}"


def asked_for(*keys: str) -> list[str]:
    """The runs that the address names under these keys; a checkpoint `run@step` names its run."""
    texts = [part for key in keys for part in url_state.asked(key).split(",")]
    return [run_id for text in texts if (run_id := text.partition("@")[0])]
