"""What is wrong with data, and whether they can carry DR-PO all the same."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import streamlit as st

from drpo.dashboard.client.data import KINDS, reason_text, wording
from drpo.dashboard.components.notices import Kind as NoticeKind
from drpo.dashboard.components.notices import notice
from drpo.i18n import format, t

SHOWN_ROWS = 30
_LEVELS: dict[str, NoticeKind] = {
    "fit": "done",
    "fit with care": "warning",
    "not fit": "problem",
}


def show_readiness(report: Mapping[str, Any]) -> None:
    """Say whether the data can carry DR-PO, and why."""
    kind = _LEVELS[report["verdict"]["level"]]
    reasons = [f"• {reason_text(reason)}" for reason in report["verdict"]["reasons"]]
    notice(kind, "\n".join(reasons), title=f"{t('data.verdict')} {wording.level(report)}")


def show_problems(report: Mapping[str, Any]) -> None:
    """List blockers and warnings apart, with rows and what to do."""
    for severity in ("blockers", "warnings"):
        st.subheader(t("data.blockers" if severity == "blockers" else "data.warnings"))
        if report[severity]:
            # Text in a table's cell is cut off; here every row number can be read.
            # `_problem` escapes what the file says.
            st.html("".join(_problem(entry) for entry in report[severity]))
        else:
            st.caption(t("data.no_blockers" if severity == "blockers" else "data.no_warnings"))


def _problem(entry: Mapping[str, Any]) -> str:
    rows = wording.rows_with_details(entry, SHOWN_ROWS)
    kind = KINDS[entry["kind"]]
    count = t("data.affected", count=format.count(entry["count"]))
    return (
        '<div style="padding:.6rem 0;border-bottom:1px solid var(--drpo-line);'
        'line-height:1.5;overflow-wrap:anywhere">'
        f"<strong>{escape(kind.title())}</strong> · {escape(count)}<br>"
        f"{escape(t('data.which'))}: {escape(rows)}<br>"
        f'<span style="color:var(--drpo-muted)">{escape(kind.remedy())}</span>'
        "</div>"
    )
