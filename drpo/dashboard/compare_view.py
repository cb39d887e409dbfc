"""What the Compare screen asks and how it groups runs."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from drpo.dashboard import address
from drpo.dashboard.compare_charts import Compared
from drpo.dashboard.frames import Feed, config_of
from drpo.dashboard.run_charts import metric_title
from drpo.dashboard.words import t
from drpo.store.schema import Run

MOST = 6
"""More lines than this cannot be told apart."""


def pick_metric(feeds: Sequence[Feed]) -> str:
    """Choose what is compared; the true reward first where it is known."""
    known = sorted({name for feed in feeds for name in feed.series if not name.endswith("_se")})
    first = [name for name in ("eval/gold", "eval/scores") if name in known]
    options = [*first, *(name for name in known if name not in first)] or ["eval/scores"]
    address.recall("metric", options, options[0])
    chosen = st.selectbox(
        t("compare.metric"), options, key="metric",
        format_func=lambda name: metric_title(name)[0],
    )  # fmt: skip
    address.record("metric", chosen, options[0])
    return str(chosen)


def compared(runs: Sequence[Run], feeds: Sequence[Feed], *, by_seed: bool) -> list[Compared]:
    """One line a run, or one line for all runs that differ in nothing but seed and name."""
    if not by_seed:
        return [Compared(run.name, [feed]) for run, feed in zip(runs, feeds, strict=True)]
    grouped: dict[str, list[tuple[Run, Feed]]] = {}
    for run, feed in zip(runs, feeds, strict=True):
        same = repr(sorted(config_of(run).replace(seed=0, name="").flat().items(), key=str))
        grouped.setdefault(same, []).append((run, feed))
    return [
        Compared(
            members[0][0].name if len(members) == 1
            else t("compare.seeds", name=members[0][0].name, count=len(members)),
            [feed for _, feed in members],
        )
        for members in grouped.values()
    ]  # fmt: skip
