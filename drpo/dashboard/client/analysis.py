"""What runs came to: verdicts, comparisons, intervals, and the combination lock of the theory."""

from drpo.analysis import verdict_words
from drpo.analysis.differences import changes_in_words, settings_that_differ
from drpo.analysis.head_to_head import JUDGES, METRIC, Call, Change, Comparison
from drpo.analysis.key_figures import KeyFigure, key_figures, risk_lines
from drpo.analysis.lock_demo import Lock, learn_lock
from drpo.analysis.metric_series import EMPTY, Feed, Series
from drpo.analysis.progress import axis_end, updates_of
from drpo.analysis.verdict import Cost, Risk, Verdict, head_to_head, verdict_of
from drpo.stats.intervals import Interval, PairedDifference, mean_over_seeds, paired_difference

__all__ = [
    "EMPTY",
    "JUDGES",
    "METRIC",
    "Call",
    "Change",
    "Comparison",
    "Cost",
    "Feed",
    "Interval",
    "KeyFigure",
    "Lock",
    "PairedDifference",
    "Risk",
    "Series",
    "Verdict",
    "axis_end",
    "changes_in_words",
    "head_to_head",
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
