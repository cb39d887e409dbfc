"""What the commands of `drpo data` share: options, the progress line, how a file is refused."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from drpo.cli.output import ProgressLine, print_json, say
from drpo.data.quality.question_text import opening, question_lines
from drpo.data.reading import Progress
from drpo.data.schema.questions import described
from drpo.errors import DataError
from drpo.i18n import t
from drpo.i18n.format import count

UNREADABLE = 2
"""Exit code where a file cannot be read, or in more than one way."""

File = Annotated[Path, typer.Argument(help="The file; its format is recognised.")]
MapOption = Annotated[
    str,
    typer.Option(
        "--map", help="Which column is what, e.g. prompt=question,chosen=good,rejected=bad."
    ),
]
ShapeOption = Annotated[
    str,
    typer.Option(
        "--format", help="explicit, transcripts, messages, answers, demonstrations, lists or rated."
    ),
]
ModelOption = Annotated[
    Path | None, typer.Option(help="Folder of the start policy: lengths are counted in its tokens.")
]


def refuse(error: DataError, *, as_json: bool) -> NoReturn:
    """Say why a file is not read, and what it asks; end the command."""
    about = described(error)
    if as_json:
        print_json({"error": str(error), **about})
    else:
        question = about.get("question")
        said = opening(question) if question else str(error)
        for line in (said, *question_lines(question)):
            say(line, err=True)
    raise typer.Exit(UNREADABLE) from error


@contextmanager
def progress_line() -> Iterator[Progress | None]:
    """Lend a progress line on standard error, or nothing when nobody is watching."""
    if not sys.stderr.isatty():
        yield None
        return
    line, last = ProgressLine(), 0.0

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > 0.2:
            last = now
            share = f" {count(done)}" + (f" / {count(total)}" if total else "") if done else ""
            line.show(f"{t(f'data.stage_{stage}')}{share}")

    try:
        yield tell
    finally:
        line.end()
