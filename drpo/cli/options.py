"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Detach = Annotated[bool, typer.Option("--detach", help="Start it and return at once.")]

INTERRUPTED = 130
"""What a command ends with that Ctrl-C ended, as shells do."""

WHO = "command line"
"""Who asked, as a run's events say it."""

FOLLOW_SECONDS = 0.5
"""How often a command that waits looks how its runs stand."""
