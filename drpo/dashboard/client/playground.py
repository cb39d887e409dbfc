"""The playground: which checkpoints can be asked, and asking them."""

from drpo.playground import Playground, PlaygroundSource, Sampling, sources_of
from drpo.playground.counterfactuals import (
    FEWEST_CONTINUATIONS,
    MOST_CONTINUATIONS,
    MOST_POSITIONS,
    Continuation,
    decision,
    finer,
    judge,
    spread,
    values,
)
from drpo.playground.protocol import BRANCHES, LONGEST, MOST, START

__all__ = [
    "BRANCHES",
    "FEWEST_CONTINUATIONS",
    "LONGEST",
    "MOST",
    "MOST_CONTINUATIONS",
    "MOST_POSITIONS",
    "START",
    "Continuation",
    "Playground",
    "PlaygroundSource",
    "Sampling",
    "decision",
    "finer",
    "judge",
    "sources_of",
    "spread",
    "values",
]
