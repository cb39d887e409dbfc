"""The table of commands; each is imported when it is asked for, so that the others start quickly.

`drpo --help` imports none of them: what it says of a command stands in the table.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import typer
from typer.core import TyperGroup
from typer.main import get_command

if TYPE_CHECKING:
    from typer._click.core import Command, Context
    from typer._click.formatting import HelpFormatter


class Entry(NamedTuple):
    """Where a command stands, and what the list of commands says of it."""

    module: str
    """A module of `drpo.cli`."""
    attribute: str
    """A function, or for a command with commands of its own a `typer.Typer`."""
    summary: str
    """The first sentence of the command's own help."""


COMMANDS = {
    "train": Entry(
        "training",
        "train",
        "Train on preference pairs: stages as needed, then the method, then evaluation.",
    ),
    "demo": Entry(
        "training",
        "run_demo",
        "Run DR-PO on the sample material: minutes, no GPU.",
    ),
    "advise": Entry(
        "advise",
        "advise",
        "Draw from the start policy before any training, and say whether resets will help.",
    ),
    "models": Entry(
        "models", "app", "Bring a real chat model into the workspace, and see which are there."
    ),
    "resume": Entry(
        "training",
        "resume",
        "Go on with a paused run, or with an ended one from its last checkpoint.",
    ),
    "runs": Entry("runs", "list_runs", "List the runs, newest first."),
    "show": Entry(
        "runs",
        "show",
        "Show one run: where it stands, its figures, its settings, what happened to it.",
    ),
    "stop": Entry(
        "runs", "stop", "Ask a run to stop within seconds, saved as after its last whole update."
    ),
    "pause": Entry(
        "runs",
        "pause",
        "Ask a run to pause after the update it is in; `drpo resume RUN` lets it go on.",
    ),
    "set": Entry(
        "runs",
        "change_settings",
        "Give a live run a new kl_coef or reset_prob; it counts from the next update.",
    ),
    "samples": Entry(
        "files",
        "samples",
        "Show what a run writes: prompt, reset prefix in brackets, answer, score.",
    ),
    "export": Entry(
        "files", "export", "Write a run's policy as a folder that `from_pretrained` loads."
    ),
    "app": Entry(
        "files",
        "dashboard",
        "Start the dashboard on http://127.0.0.1:8501; open that address in a browser.",
    ),
    "places": Entry(
        "places",
        "show_places",
        "List machines, free places and runs there.",
    ),
    "supervise": Entry(
        "supervise",
        "supervise",
        "Carry out the queue until stopped, for a dashboard with DRPO_SUPERVISE=0.",
    ),
    "report": Entry(
        "report",
        "report",
        "Write a report on one run, or on up to six to compare, as FILE.html or FILE.md.",
    ),
    "backup": Entry(
        "backup", "backup", "Write the whole workspace into one file; runs may go on meanwhile."
    ),
    "restore": Entry(
        "backup",
        "restore",
        "Make the workspace from a backup; DRPO_HOME names an empty folder, or none yet.",
    ),
    "mcp": Entry(
        "mcp_server",
        "mcp",
        "Let an assistant list, read, start, stop and compare runs, over standard streams.",
    ),
    "audit": Entry(
        "audit",
        "audit",
        "List who did what on the dashboard and through programs, newest first.",
    ),
    "data": Entry("data", "app", "Bring preference data, see what is in it, and keep it."),
    "eval": Entry(
        "evaluate",
        "evaluate_runs",
        "Evaluate runs on the same held-out prompts with the same sampling noise.",
    ),
    "sweep": Entry(
        "sweep",
        "app",
        "Try many settings with several seeds each, resets switched off always among them.",
    ),
    "study": Entry(
        "study",
        "study",
        "Run the study behind the claims and write it down; stopped, it goes on when called again.",
    ),
}


class LazyCommands(Mapping[str, "Command"]):
    """The commands by name; looking one up imports its module."""

    def __getitem__(self, name: str) -> Command:
        """Import a command.

        Raises:
            KeyError: There is none of that name.
        """
        entry = COMMANDS[name]
        found = getattr(importlib.import_module(f"drpo.cli.{entry.module}"), entry.attribute)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            alone.command(name)(found)
            found = alone
        return get_command(found)

    def __iter__(self) -> Iterator[str]:
        """Go through the names, in the order of the help."""
        return iter(COMMANDS)

    def __len__(self) -> int:
        """Count the commands."""
        return len(COMMANDS)


class LazyGroup(TyperGroup):
    """The group of all commands, whose list needs none of them."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - those of TyperGroup
        # Typer asks for a dict, and does nothing with it that a mapping cannot.
        attributes["commands"] = cast("dict[str, Command]", LazyCommands())
        super().__init__(**attributes)

    def list_commands(self, ctx: Context) -> list[str]:  # noqa: ARG002 - Click's signature
        """Return the names, in the order of the help."""
        return list(self.commands)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].summary) for name in self.list_commands(ctx)])
