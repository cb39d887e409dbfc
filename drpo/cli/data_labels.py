"""`drpo data labels`: which preferences are probably the wrong way round."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from drpo.cli.data_options import MapOption, ShapeOption, progress_line, refuse
from drpo.cli.options import Json
from drpo.cli.output import print_json
from drpo.data.io.limits import UPLOAD
from drpo.data.io.source import Source
from drpo.data.loading import load_pairs, nothing_usable, read_pairs
from drpo.data.pairset import PairSet
from drpo.data.reading import Progress
from drpo.data.schema.column_mapping import parse_map
from drpo.errors import DataError
from drpo.store import Store


def labels(
    file: Annotated[str, typer.Argument(help="A file, or the name of a saved set.")],
    as_json: Json = False,
    mapping: MapOption = "",
    shape: ShapeOption = "",
    show: Annotated[int, typer.Option(min=0, help="How many suspects are printed.")] = 20,
) -> None:
    """Estimate how many labels are wrong, and list those to read first.

    A preference model learns from the other prompts and says how probable each label is. `pair` in
    the list is what `drpo data import --flip` and `--drop` take.
    """
    from drpo.data.labels.label_check import check_labels  # scikit-learn, which others do without
    from drpo.data.labels.label_text import label_lines

    try:
        with progress_line() as progress:
            loaded = _pairs(file, mapping, shape, progress)
            found: dict[str, Any] = check_labels(loaded, progress=progress)
    except DataError as error:
        refuse(error, as_json=as_json)
    if as_json:
        print_json(found)
        return
    for line in label_lines(found, show):
        typer.echo(line)


def _pairs(name: str, mapping: str, shape: str, progress: Progress | None) -> PairSet:
    path = Path(name)
    if path.is_file():
        source = Source.from_path(path, limits=UPLOAD)
        loaded = read_pairs(
            source, mapping=parse_map(mapping), shape=shape or None, progress=progress
        )
        if not loaded.pairs:
            raise DataError(nothing_usable(loaded))
        return loaded
    store = Store()
    try:
        return load_pairs(name, store=store)
    finally:
        store.close()
