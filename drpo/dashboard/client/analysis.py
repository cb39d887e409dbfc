"""What runs came to: verdicts, comparisons, intervals, and the combination lock of the theory."""

from drpo.analysis import verdict_words
from drpo.analysis.head_to_head import JUDGES, METRIC, Call, Change, Comparison
from drpo.analysis.lock_demo import Lock, learn_lock
from drpo.analysis.verdict import Cost, Risk, Verdict, head_to_head, verdict_of
from drpo.stats.intervals import Interval, PairedDifference, mean_over_seeds, paired_difference

__all__ = [
    "JUDGES",
    "METRIC",
    "Call",
    "Change",
    "Comparison",
    "Cost",
    "Interval",
    "Lock",
    "PairedDifference",
    "Risk",
    "Verdict",
    "head_to_head",
    "learn_lock",
    "mean_over_seeds",
    "paired_difference",
    "verdict_of",
    "verdict_words",
]
