"""One bar for each stage of a run, in a terminal or a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm.auto import tqdm

WITHIN = ("evaluation", "paused")
"""What happens in the middle of training: said behind its bar, without one of its own."""


class ProgressBar:
    """Shows where a run stands.

    Args:
        shown: Whether anything is to be seen at all.
    """

    def __init__(self, *, shown: bool = True) -> None:
        self._shown = shown
        self._stage = ""
        self._words = ""
        self._bar: tqdm | None = None

    def show(self, stage: str, done: int, total: int) -> None:
        """Move the stage's bar; a stage of unknown length (0 of 0) is named, no more."""
        if not self._shown:
            return
        if stage in WITHIN and self._stage == "training" and self._bar is not None:
            self._bar.set_postfix_str(f"{stage} {done}/{total}" if total else stage)
            return
        if self._bar is None or stage != self._stage:
            self._turn_to(stage, total)
        if total and self._bar is not None:
            self._bar.set_postfix_str(self._words, refresh=False)
            self._bar.update(done - self._bar.n)

    def say(self, words: str) -> None:
        """Put a few words behind the bar."""
        self._words = words

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()
        self._bar, self._stage, self._words = None, "", ""

    def _turn_to(self, stage: str, total: int) -> None:
        self.close()
        self._stage = stage
        form = None if total else "{desc}"
        self._bar = tqdm(desc=stage, total=total or None, bar_format=form, dynamic_ncols=True)


@contextmanager
def only_ours() -> Iterator[None]:
    """Keep the bars that transformers shows at every model out of ours."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
