"""What a person decided on doubtful labels of an upload: kept beside it, taken by the next save."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from drpo.files import read_json, write_json

FILE = "decisions.json"

Decision = Literal["keep", "flip", "drop"]


class LabelDecisions:
    """The decisions on one upload, in the order in which they were taken.

    Args:
        folder: The upload's.
        content_hash: Of its pairs: decisions on pairs that were read differently do not count.
    """

    def __init__(self, folder: Path, content_hash: str) -> None:
        self._path = folder / FILE
        self._hash = content_hash
        stored = read_json(self._path)
        known = stored.get("content_hash") == content_hash
        self.choices: dict[int, Decision] = (
            {int(pair): choice for pair, choice in stored["choices"]} if known else {}
        )
        """By the pair's number; the last decision last."""

    def decide(self, pair: int, choice: Decision) -> None:
        """Take a decision, in place of an earlier one on the same pair."""
        self.choices.pop(pair, None)
        self.choices[pair] = choice
        self._write()

    def undo(self) -> None:
        """Take the last decision back."""
        if self.choices:
            self.choices.popitem()
            self._write()

    def pairs(self, choice: Decision) -> tuple[int, ...]:
        """Return the numbers of the pairs that were decided so."""
        return tuple(pair for pair, chosen in self.choices.items() if chosen == choice)

    def _write(self) -> None:
        choices = [[pair, choice] for pair, choice in self.choices.items()]
        write_json(self._path, {"content_hash": self._hash, "choices": choices})
