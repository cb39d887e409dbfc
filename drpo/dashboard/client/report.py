"""Reports: one file on a run or a comparison, built for whoever asks."""

from __future__ import annotations

from collections.abc import Sequence

from drpo import report
from drpo.dashboard.client.store import store
from drpo.i18n import Language
from drpo.report import MOST_RUNS, Format, file_name

__all__ = ["MOST_RUNS", "Format", "build", "file_name"]


def build(run_ids: Sequence[str], *, kind: Format, lang: Language) -> bytes:
    """Write a report; see `drpo.report.build`."""
    return report.build(store(), run_ids, kind=kind, lang=lang)
