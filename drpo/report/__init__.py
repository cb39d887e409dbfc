"""One file that tells what a run, or a comparison of runs, came to: opens offline, prints, travels.

`build` gives the same bytes for the same runs and language whoever asks, the screen or
`drpo report`: everything in it comes from the store, and nothing says when it was built.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from drpo.errors import RunError
from drpo.i18n import Language, spoken
from drpo.report.comparison import compare_runs
from drpo.report.html_page import to_html
from drpo.report.markdown import to_markdown
from drpo.report.single import describe_run
from drpo.store import Store

Format = Literal["html", "md"]
MOST_RUNS = 6
"""As on the Compare screen: more lines cannot be told apart."""

__all__ = ["MOST_RUNS", "Format", "build", "file_name", "format_of"]


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
