"""What runs came to: verdicts, comparisons, intervals, and the combination lock of the theory."""

from __future__ import annotations

from drpo.analysis import verdict as verdicts
from drpo.analysis import verdict_words
from drpo.analysis.differences import changes_in_words, settings_that_differ
from drpo.analysis.head_to_head import METRIC, Comparison
from drpo.analysis.key_figures import KeyFigure, key_figures, risk_lines
from drpo.analysis.lock_demo import Lock, learn_lock
from drpo.analysis.metric_series import Feed, Series
from drpo.analysis.progress import axis_end, counts_updates, updates_of
from drpo.analysis.verdict import Verdict
from drpo.dashboard.client.store import store
from drpo.stats.intervals import Interval, PairedDifference, mean_over_seeds, paired_difference
from drpo.store.schema import Run

__all__ = [
    "METRIC",
    "Comparison",
    "Feed",
    "Interval",
    "KeyFigure",
    "Lock",
    "PairedDifference",
    "Series",
    "Verdict",
    "axis_end",
    "changes_in_words",
    "counts_updates",
    "key_figures",
    "learn_lock",
    "mean_over_seeds",
    "paired_difference",
    "risk_lines",
    "settings_that_differ",
    "updates_of",
    "verdict_of",
    "verdict_words",
]


def verdict_of(run: Run) -> Verdict:
    """What a run came to, as far as it is known."""
    return verdicts.verdict_of(store(), run)
