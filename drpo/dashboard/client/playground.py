"""The playground: which checkpoints can be asked, and asking them."""

from collections.abc import Sequence

from drpo.dashboard.client.access import asks
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
    "see_that_may_ask",
    "sources_of",
    "spread",
    "values",
]


@asks("ask", what=lambda sources: ", ".join(sources))
def see_that_may_ask(sources: Sequence[str]) -> None:
    """Refuse whoever may not put prompts to checkpoints; before a thread does it for them.

    Args:
        sources: The checkpoints, each as `run@step`.

    Raises:
        AccessError: The visitor may not.
    """
