"""Any preference file to pairs, with an account of everything wrong with it.

    file -> rows -> layout -> pairs -> report -> versions

Nothing in here loads torch, except the coverage measurement, which is a process of its own.
"""

from drpo.data.library.splits import split
from drpo.data.loading import load_demonstrations, load_pairs, read_pairs
from drpo.data.pairs import Pair
from drpo.data.pairset import PairSet

__all__ = ["Pair", "PairSet", "load_demonstrations", "load_pairs", "read_pairs", "split"]
