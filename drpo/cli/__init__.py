"""Train language models on preference pairs with DR-PO, and evaluate, steer and compare the runs.

With `--json` standard output is one JSON document and nothing else, also when something went
wrong; progress and logs go to standard error. A command's module is imported when the command is
asked for, and what needs torch runs in a worker or is imported by the one command that does.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException
from typer.main import get_command

import drpo
from drpo.cli.commands import LazyGroup
from drpo.cli.options import INTERRUPTED
from drpo.cli.output import print_json, say
from drpo.errors import DrpoError
from drpo.files import disk_is_full

app = typer.Typer(
    cls=LazyGroup,
    name="drpo",
    help=__doc__.split("\n\n")[0],
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


LIMITED = ("data", "eval")
"""Commands that read files and models of any size in this very process."""
OUT_OF_MEMORY = (
    "This machine has not enough free memory for it; free some, or bring a smaller file or model."
)
FULL_DISK = "The disk is full; free space and call the command again."


def _say_version(asked: bool) -> None:
    if asked:
        say(f"drpo {drpo.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_say_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Before any command."""


def main(arguments: list[str] | None = None) -> None:
    """Run one command.

    It exits with 1 when the command cannot be done, with 2 when it was not understood, and with
    130 when it was interrupted.
    """
    words = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in words
    _print_whatever_comes()
    if arguments is None and words and words[0] in LIMITED:
        from drpo.system.limits import limit_this_process  # psutil, which a list does without

        # A process of a terminal's own; a caller's would be limited for its whole life.
        limit_this_process()
    try:
        code = get_command(app).main(words, standalone_mode=False)
    except DrpoError as error:
        _complain(str(error), as_json, 1)
    except TyperException as error:
        usage = error.exit_code == 2
        hint = " `drpo --help` lists the commands." if usage else ""
        _complain(error.format_message() + hint, as_json, error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        sentence = _known(error)
        if not sentence:
            raise
        _complain(sentence, as_json, 1)
    if code == INTERRUPTED:  # Typer's word for Ctrl-C
        _complain("Interrupted.", as_json, INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _known(error: Exception) -> str:
    """What to say of an error of the machine's; empty for a bug of ours."""
    from drpo.system.limits import is_out_of_memory

    if is_out_of_memory(error):
        return OUT_OF_MEMORY
    return FULL_DISK if disk_is_full(error) else ""


def _print_whatever_comes() -> None:
    """A sign that a terminal's old encoding lacks is shown as a question mark and stops nothing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _complain(sentence: str, as_json: bool, code: int) -> None:
    if as_json:
        print_json({"error": sentence})
    else:
        say(sentence, err=True)
    sys.exit(code)
