"""Why one row of a file cannot be used."""

from __future__ import annotations

from drpo.i18n.message import Message


class RowError(ValueError):
    """Why one row cannot become a pair: a kind of problem and what exactly."""

    def __init__(self, kind: str, detail: Message | None = None) -> None:
        super().__init__("" if detail is None else str(detail))
        self.kind = kind
        self.detail = detail
