"""Episodes of an update, continued from any of their tokens by the policy of that time."""

from __future__ import annotations

from collections.abc import Sequence

from drpo.dashboard.client.playground import START, PlaygroundSource, sources_of
from drpo.dashboard.client.store import Run, SampleRow
from drpo.dashboard.components.branches.job import Branchable
from drpo.dashboard.components.branches.view import show_branches
from drpo.dashboard.components.run_choice import label
from drpo.i18n import t

MOST = 100
"""Episodes that are offered."""
SHOWN_CHARS = 60


def show(run: Run, step: int, episodes: Sequence[SampleRow]) -> None:
    """Offer the update's episodes, in the order in which they are shown above."""
    # An update's episodes were written before it changed the policy.
    source = newest_kept(sources_of(run), step - 1)
    word = "playground.source_start" if source.step == START else "playground.source_step"
    name = t(word, run=label(run), step=source.step)
    sampling = run.config["sampling"]
    answers = [
        Branchable(
            str(one.id),
            f"{t('branches.episode', place=place)}: {shortened(one.prefix + one.response)}",
            source,
            name,
            one.prompt,
            one.prefix + one.response,
            int(sampling["response_length"]),
            float(sampling["temperature"]),
        )
        for place, one in enumerate(episodes[:MOST], 1)
    ]
    if answers:
        show_branches(answers)


def newest_kept(sources: Sequence[PlaygroundSource], step: int) -> PlaygroundSource:
    """The policy that was kept last after at most so many updates; the start policy if none was."""
    return max((one for one in sources if one.step <= max(step, START)), key=lambda one: one.step)


def shortened(text: str) -> str:
    """The beginning of an answer, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARS else f"{line[:SHOWN_CHARS]}…"
