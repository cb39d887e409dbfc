"""`drpo backup` and `drpo restore`: the workspace in one file."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

from drpo.cli.options import Json
from drpo.cli.output import print_json, say
from drpo.i18n import t
from drpo.i18n.format import count, size
from drpo.store import workspace
from drpo.system import backup as backups


def backup(file: Path, as_json: Json = False) -> None:
    """Write the whole workspace into one file; runs may go on meanwhile."""
    made = backups.backup(file)
    if as_json:
        print_json({"file": str(file.resolve()), **asdict(made)})
        return
    runs, files = count(made.runs), count(made.files)
    say(t("cli.backed_up", file=str(file), runs=runs, files=files, size=size(made.bytes)))


def restore(file: Path, as_json: Json = False) -> None:
    """Make the workspace from a backup; DRPO_HOME names an empty folder, or none yet."""
    found = backups.restore(file)
    if as_json:
        print_json({"folder": str(workspace()), **asdict(found)})
        return
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(found.created_at))
    runs, files = count(found.runs), count(found.files)
    say(t("cli.backup_restored", folder=str(workspace()), when=when, runs=runs, files=files))
