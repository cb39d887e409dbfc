"""`drpo report`: what one run, or several side by side, came to, in one file to send."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from drpo.cli.options import Json
from drpo.cli.output import print_json, say
from drpo.errors import RunError
from drpo.files import write_whole
from drpo.i18n import language
from drpo.store import Store


def report(
    words: Annotated[list[str], typer.Argument(metavar="RUN... FILE")],
    lang: Annotated[
        Literal["en", "ja"] | None,
        typer.Option(help="Language of the report; by default that of DRPO_LANG or the locale."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a report on one run, or on up to six to compare, as FILE.html or FILE.md."""
    if len(words) < 2:
        raise RunError(
            "Expected one or more runs and then a file, as in `drpo report RUN report.html`; got "
            f"only {words[0]!r}."
        )
    *asked, target = words
    from drpo import report as reports  # plotly and its script, which others do without

    path = Path(target)
    kind = reports.format_of(path)
    store = Store()
    run_ids = [store.runs.find(one).id for one in asked]
    spoken_in = lang or language()
    content = reports.build(store, run_ids, kind=kind, lang=spoken_in)
    try:
        write_whole(path, content)
    except OSError as error:
        raise RunError(
            f"The report could not be written to {path} ({error.strerror}); give a file in a "
            "folder that exists and may be written to."
        ) from error
    if as_json:
        size = path.stat().st_size
        print_json({"runs": run_ids, "file": str(path.resolve()), "bytes": size, "lang": spoken_in})
    else:
        say(str(path))
