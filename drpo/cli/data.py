"""`drpo data ...`: check a file, save it, and keep the saved versions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from drpo.cli.data_labels import labels
from drpo.cli.data_options import (
    File,
    MapOption,
    ModelOption,
    ShapeOption,
    progress_line,
    refuse,
)
from drpo.cli.documents import version_document
from drpo.cli.options import Json
from drpo.cli.output import print_json, say
from drpo.data.gold_reward import sidecar_of
from drpo.data.io.limits import STREAM, UPLOAD
from drpo.data.io.source import Source
from drpo.data.library import versions
from drpo.data.library.cleaning import Contradictions, Recipe, Repeats, fix
from drpo.data.library.export import FORMATS, export_version
from drpo.data.library.stream_import import import_stream
from drpo.data.pairs import Pair
from drpo.data.quality import token_text
from drpo.data.quality.report import Settings, check_source, report_on_rest
from drpo.data.quality.report_text import report_lines
from drpo.data.schema.column_mapping import parse_map
from drpo.errors import DataError, ModelError
from drpo.files import write_whole
from drpo.i18n import language, t
from drpo.i18n.format import count
from drpo.store import Store
from drpo.store.schema import Dataset

app = typer.Typer(
    help="Bring preference data, see what is in it, and keep it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

USABLE, BLOCKED = 0, 1
"""Exit codes of `drpo data check`; 2 where the file cannot be read."""


@app.command()
def check(
    file: File,
    as_json: Json = False,
    mapping: MapOption = "",
    shape: ShapeOption = "",
    html: Annotated[Path | None, typer.Option(help="Write the report as one HTML file.")] = None,
    model: ModelOption = None,
    max_prompt_length: Annotated[int, typer.Option(help="Token limit of prompts.")] = 512,
    response_length: Annotated[int, typer.Option(help="Token limit of answers.")] = 53,
    tokens: Annotated[
        int, typer.Option(min=0, help="Rows to show token by token, as --model reads them.")
    ] = 3,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Also measure how likely --model finds the answers.")
    ] = False,
) -> None:
    """Say what a file is, what is wrong with it, and whether it can carry DR-PO.

    Exit code 0: every row is usable; 1: some rows are not; 2: the file cannot be read.
    """
    settings = Settings(model, max_prompt_length, response_length)
    if coverage and model is None:
        raise DataError("--coverage needs --model, the folder of the start policy.")
    try:
        source = Source.from_path(file, limits=UPLOAD)
        with progress_line() as progress:
            loaded, report = check_source(
                source,
                settings,
                mapping=parse_map(mapping),
                shape=shape or None,
                progress=progress,
                covered_by=_coverage if coverage else None,
            )
    except DataError as error:
        refuse(error, as_json=as_json)
    if html is not None:
        _write_page(report, html)
    if tokens and model is not None:
        report["tokens"] = _tokens(loaded.pairs, model, response_length, tokens)
    if as_json:
        print_json(report)
    else:
        for line in (*report_lines(report), *token_text.lines(report.get("tokens", {}))):
            say(line)
    counts = report["counts"]
    if report["blockers"] or counts["pairs"] + counts["demonstrations"] == 0:
        raise typer.Exit(BLOCKED)


def _tokens(pairs: Sequence[Pair], model: Path, length: int, shown: int) -> dict[str, Any]:
    # Imported only when asked for: it loads torch.
    from drpo.evaluation.row_tokens import rows_as_read

    try:
        return rows_as_read(pairs, model, response_length=length, shown=shown)
    except ModelError as error:  # its tokens were counted all the same
        return {"error": str(error)}


def _write_page(report: dict[str, Any], path: Path) -> None:
    from drpo.report import build_data  # Plotly and its script, which others do without

    try:
        write_whole(path, build_data(report, lang=language()))
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}); choose another place."
        ) from error


app.command()(labels)


@app.command("import")
def import_(
    file: File,
    name: Annotated[str, typer.Argument(help="Name of the data set; each import is a version.")],
    as_json: Json = False,
    mapping: MapOption = "",
    shape: ShapeOption = "",
    exclude: Annotated[str, typer.Option(help="Kinds of problem to leave out, a,b,c.")] = "",
    deduplicate: Annotated[Repeats, typer.Option(help="Which repeats go.")] = "exact",
    conflicts: Annotated[
        Contradictions, typer.Option(help="What becomes of A over B beside B over A.")
    ] = "keep",
    drop: Annotated[
        str, typer.Option(help="Pairs to leave out, as `drpo data labels` numbers them: 3,17.")
    ] = "",
    flip: Annotated[str, typer.Option(help="Pairs whose label is turned around: 5,9.")] = "",
    model: ModelOption = None,
) -> None:
    """Save a file as a new version of a data set; large files pass through in a stream."""
    recipe = Recipe(
        tuple(filter(None, (kind.strip() for kind in exclude.split(",")))),
        conflicts,
        deduplicate,
        drop=_numbers(drop, "--drop"),
        flip=_numbers(flip, "--flip"),
    )
    recipe.check()
    parts = parse_map(mapping)
    versions.check_name(name)
    store = Store()
    try:
        if file.is_file() and file.stat().st_size > UPLOAD.file_bytes:
            version = _stream(store, file, name, parts, shape, recipe)
        else:
            version = _whole(store, file, name, parts, shape, recipe, model)
    finally:
        store.close()
    if as_json:
        print_json(version_document(version))
    else:
        say(t("cli.saved", **_named(version)))


def _numbers(given: str, option: str) -> tuple[int, ...]:
    pieces = [piece.strip() for piece in given.split(",") if piece.strip()]
    wrong = [piece for piece in pieces if not piece.isdecimal()]
    if wrong:
        raise DataError(f"{option}: expected numbers of pairs as in 3,17, got {wrong[0]!r}.")
    return tuple(map(int, pieces))


def _whole(
    store: Store,
    file: Path,
    name: str,
    parts: dict[str, Any],
    shape: str,
    recipe: Recipe,
    model: Path | None,
) -> Dataset:
    source = Source.from_path(file, limits=UPLOAD)
    with progress_line() as progress:
        loaded, before = check_source(
            source, Settings(model), mapping=parts, shape=shape or None, progress=progress
        )
    sidecar = sidecar_of(file)
    loaded.gold = sidecar if sidecar.is_file() else None
    fixed, account = fix(loaded, recipe)
    # Of these pairs, not of the file's.
    report = report_on_rest(fixed, loaded, before, Settings(model))
    return versions.save_version(
        store,
        fixed.pairs,
        name,
        source=source.name,
        recipe=account,
        report=report,
        gold=fixed.gold,
    )


def _stream(
    store: Store, file: Path, name: str, parts: dict[str, Any], shape: str, recipe: Recipe
) -> Dataset:
    by_pair = recipe.exclude or recipe.drop or recipe.flip
    if recipe.repeats == "near" or recipe.contradictions != "keep" or by_pair:
        raise DataError(
            f"{file.name} is imported in a stream, which can only leave out exact duplicates and "
            "unusable rows; drop --exclude, --drop, --flip, --conflicts and "
            "--deduplicate near."
        )
    source = Source.from_path(file, limits=STREAM)
    with progress_line() as progress:
        return import_stream(
            store,
            source,
            name,
            path=file,
            mapping=parts,
            shape=shape or None,
            deduplicate=recipe.repeats == "exact",
            progress=progress,
        )


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the saved data sets, newest first."""
    store = Store()
    every = store.datasets.all()
    store.close()
    if as_json:
        print_json([version_document(version) for version in every])
        return
    if not every:
        say(t("cli.no_data"))
    for version in every:
        source = version.source or t("cli.unknown_source")
        named = _named(version, hash=version.content_hash[:12], source=source)
        say(t("cli.version", **named))


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="A saved set: name, name:version or id.")],
    file: Annotated[Path, typer.Argument(help="Where to write; .jsonl, .csv or .parquet.")],
) -> None:
    """Write a saved version to a file."""
    form = file.suffix.lstrip(".").lower()
    if form not in FORMATS:
        raise DataError(f"{file.name}: expected a name ending in .{', .'.join(FORMATS)}.")
    store = Store()
    try:
        version = versions.get_version(store, name)
    finally:
        store.close()
    try:
        write_whole(file, export_version(version, form))
    except OSError as error:
        raise DataError(
            f"{file} cannot be written ({error.strerror}); choose another place."
        ) from error
    say(t("cli.wrote", **_named(version, file=str(file))))


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="A saved version.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    as_json: Json = False,
) -> None:
    """Say what two saved versions share."""
    store = Store()
    try:
        pair = versions.get_version(store, first), versions.get_version(store, second)
    finally:
        store.close()
    found = versions.compare_versions(*pair)
    if as_json:
        print_json(found)
        return
    for key in ("shared_pairs", "only_first", "only_second", "swapped_pairs", "shared_prompts"):
        say(t(f"cli.{key}", count=count(found[key])))


@app.command()
def delete(
    name: Annotated[str, typer.Argument(help="A saved set: name, name:version or id.")],
) -> None:
    """Delete a saved version that no run uses; for 30 days `drpo data restore` brings it back."""
    store = Store()
    try:
        version = versions.delete_version(store, name)
    finally:
        store.close()
    say(t("cli.deleted", **_named(version)))


@app.command()
def restore(
    name: Annotated[str, typer.Argument(help="A deleted set: name, name:version or id.")],
) -> None:
    """Bring back a version that was deleted in the last 30 days."""
    store = Store()
    try:
        version = versions.restore_version(store, name)
    finally:
        store.close()
    say(t("cli.restored", **_named(version)))


def _named(version: Dataset, **values: Any) -> dict[str, Any]:  # noqa: ANN401 - as in `t`
    rows = count(version.rows)
    return {"name": version.name, "version": version.version, "rows": rows, **values}


def _coverage(pairs: Sequence[Pair], model: Path) -> dict[str, Any]:
    # Imported only when asked for: it loads torch.
    from drpo.evaluation.policy_likelihood import measure_coverage

    with progress_line() as progress:
        return measure_coverage(pairs, model, progress)
