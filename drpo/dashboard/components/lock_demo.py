"""Why resets work, as a picture that moves: a combination lock learned with resets and without.

The learning itself runs here once, in a table (`drpo.analysis.lock_demo`); the browser plays the
traces.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from drpo.charts.palette import COLOURS
from drpo.dashboard.assets import read_assets
from drpo.dashboard.client.analysis import Lock, learn_lock
from drpo.i18n import t
from drpo.i18n.format import count

DIALS, POSITIONS = 8, 4
ITERATIONS, EPISODES = 36, 32
STEP_SIZE = 1.5
PROBS = (0.0, 0.25, 0.5, 0.75, 1.0)
SHOWN_FIRST = 2
"""Place in `PROBS` of the one that stands beside "without"."""

_LOCK = st.components.v2.component(
    "drpo_lock",
    html='<div class="host"></div>',
    js=read_assets("common.js", "lock.js"),
    css=read_assets("lock.css"),
)


def why_resets_work(*, key: str = "lock") -> None:
    """Show the picture with its few sentences."""
    st.write(
        t(
            "lock_demo.text",
            dials=DIALS,
            positions=POSITIONS,
            odds=count(POSITIONS**DIALS),
            episodes=count(ITERATIONS * EPISODES),
        )
    )
    words = {
        name: t(f"lock_demo.{name}")
        for name in (
            "with",
            "without",
            "opens",
            "dials",
            "axis",
            "alt",
            "clock",
            "scrub",
            "prob",
            "prob_label",
            "play",
            "pause",
            "again",
        )
    }
    _LOCK(
        data={
            "traces": traces(),
            "chosen": SHOWN_FIRST,
            "episodes": EPISODES,
            "words": words,
            "colours": COLOURS,
        },
        key=key,
    )
    st.caption(t("lock_demo.limits"))


@st.cache_data(show_spinner=False)
def traces() -> list[dict[str, Any]]:
    """One learning run for each reset probability, all on the same lock with the same episodes."""
    lock = Lock.draw(DIALS, POSITIONS, seed=3)
    found = []
    for prob in PROBS:
        trace = learn_lock(
            lock, reset_prob=prob, iterations=ITERATIONS, episodes=EPISODES, eta=STEP_SIZE, seed=2
        )
        found.append(
            {
                "prob": prob,
                "value": [round(value, 5) for value in trace.value],
                "advance": [[round(chance, 3) for chance in row] for row in trace.advance],
                "starts": trace.starts,
            }
        )
    return found
