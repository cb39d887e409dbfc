"""A run's metrics, kept in memory once for all visitors, and the table of runs."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import streamlit as st

from drpo import metrics
from drpo.dashboard.client.analysis import Feed
from drpo.dashboard.client.config import UPDATING, RunConfig
from drpo.dashboard.client.store import LIVE_STATUSES, Run, store


@st.cache_resource(show_spinner=False, max_entries=256)
def _feed(run_id: str) -> Feed:
    return Feed(store(), run_id)


def feed(run_id: str) -> Feed:
    """The metrics and events of a run as they are now."""
    return _feed(run_id).refresh()


def look_again(run_id: str) -> None:
    """Read a run's events anew at the next asking: somebody here has just done something."""
    _feed(run_id).read_at = 0.0


def is_live(run: Run) -> bool:
    """Say whether a worker has, or will have, something to do."""
    return run.status in LIVE_STATUSES


def config_of(run: Run) -> RunConfig:
    """The run's settings."""
    return RunConfig.from_nested(run.config)


def runs_table(runs: Iterable[Run]) -> pd.DataFrame:
    """One row a run, with the figures people look for first."""
    rows = []
    for run in runs:
        gold = _first_and_last(run, metrics.EVAL_GOLD)
        scores = _first_and_last(run, metrics.EVAL_SCORES)
        # Methods without episodes have none to reset, and 0 would make them look like a control.
        updating = run.config["run"]["method"] in UPDATING
        rows.append(
            {
                "id": run.id,
                "name": run.name,
                "status": run.status,
                "method": run.config["run"]["method"],
                "step": run.step,
                "updates": run.config["ppo"]["updates"],
                "reset_prob": run.config["reset"]["reset_prob"] if updating else None,
                "kl_coef": run.config["kl"]["kl_coef"] if updating else None,
                "seed": run.config["run"]["seed"],
                "scores": scores[1],
                "scores_gain": _gain(*scores),
                "gold": gold[1],
                "gold_gain": _gain(*gold),
                "kl": metrics.read(run.summary.get("last"), metrics.EVAL_KL),
                "created": pd.Timestamp(run.created_at, unit="s", tz="UTC"),
            }
        )
    return pd.DataFrame(rows)


def _first_and_last(run: Run, name: str) -> tuple[float | None, float | None]:
    first, last = (metrics.read(run.summary.get(end), name) for end in ("first", "last"))
    return first, last


def _gain(first: float | None, last: float | None) -> float | None:
    return None if last is None or first is None else last - first
