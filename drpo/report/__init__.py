"""One file on a run, a comparison of runs, or data: it opens offline, prints, travels.

`build` and `build_data` give the same bytes for the same runs, or the same data report, and the
same language whoever asks, the screen or the command line: nothing says when they were built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from drpo.errors import RunError
from drpo.i18n import Language, spoken
from drpo.report.comparison import compare_runs
from drpo.report.data_set import describe_data
from drpo.report.html_page import to_html
from drpo.report.markdown import to_markdown
from drpo.report.single import describe_run
from drpo.store import Store

Format = Literal["html", "md"]
MOST_RUNS = 6
"""As on the Compare screen: more lines cannot be told apart."""

__all__ = ["MOST_RUNS", "Format", "build", "build_data", "file_name", "format_of"]


def build(
    store: Store, run_ids: Sequence[str], *, kind: Format = "html", lang: Language = "en"
) -> bytes:
    """Write a report.

    Args:
        store: Where the runs are.
        run_ids: One run, or up to six to compare; the first is what the others are held against.
        kind: `html` or `md`.
        lang: The report's language.

    Raises:
        RunError: A run is unknown, named twice, or there are none or too many.
    """
    if not 1 <= len(run_ids) <= MOST_RUNS or len(set(run_ids)) < len(run_ids):
        raise RunError(
            f"A report is on 1 to {MOST_RUNS} different runs; got {', '.join(run_ids) or 'none'}."
        )
    runs = [store.runs.get(run_id) for run_id in run_ids]
    with spoken(lang):
        report = describe_run(store, runs[0]) if len(runs) == 1 else compare_runs(store, runs)
        text = to_html(report) if kind == "html" else to_markdown(report)
    return text.encode("utf-8")


def build_data(data_report: Mapping[str, Any], *, lang: Language = "en") -> bytes:
    """Write a report on data as an HTML page.

    Args:
        data_report: What `drpo data check --json` prints.
        lang: The page's language.
    """
    with spoken(lang):
        return to_html(describe_data(data_report)).encode("utf-8")


def file_name(run_ids: Sequence[str], kind: Format) -> str:
    """A name for the file; ids hold only letters, digits and hyphens."""
    more = f"-and-{len(run_ids) - 1}-more" if len(run_ids) > 1 else ""
    return f"drpo-{run_ids[0]}{more}.{kind}"


def format_of(path: Path) -> Format:
    """The format that a file's ending asks for.

    Raises:
        RunError: It is neither `.html` nor `.md`.
    """
    if path.suffix.lower() in (".html", ".htm"):
        return "html"
    if path.suffix.lower() in (".md", ".markdown"):
        return "md"
    raise RunError(
        f"A report is written as .html or .md; got {path.name!r}. Rename it, for instance to "
        f"{path.stem or 'report'}.html."
    )
