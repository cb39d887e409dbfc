"""`drpo audit`: who did what."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from drpo.cli.options import Json
from drpo.cli.output import print_json, print_table
from drpo.i18n import t
from drpo.store import Store


def audit(
    as_json: Json = False,
    who: Annotated[str | None, typer.Option(help="Of this address only.")] = None,
    limit: Annotated[int, typer.Option(help="Rows at most.", min=1)] = 100,
) -> None:
    """List who did what on the dashboard and through programs, newest first."""
    rows = Store().audit.all(who=who, limit=limit)
    if as_json:
        names = ("at", "who", "role", "action", "what", "outcome", "detail")
        print_json([{name: getattr(row, name) for name in names} for row in rows])
        return
    heads = [t(f"access.{name}") for name in ("when", "who", "role", "action", "what", "outcome")]
    print_table(
        [
            [
                time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.at)),
                row.who or t("access.anybody"),
                row.role or "-",
                t(f"access.do_{row.action}"),
                row.what,
                t(f"access.outcome_{row.outcome}"),
            ]
            for row in rows
        ],
        heads,
    )
