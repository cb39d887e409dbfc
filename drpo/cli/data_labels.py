"""`drpo data labels`: which preferences are probably the wrong way round."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from drpo.cli.data_options import MapOption, ShapeOption, progress_line, refuse
from drpo.cli.options import Json
from drpo.cli.output import print_json, say
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
    judge: Annotated[
        str,
        typer.Option(
            "--reward-model",
            help="A run or a folder: its reward model judges, not the texts' words.",
        ),
    ] = "",
    per_fold: Annotated[
        bool,
        typer.Option("--per-fold", help="Train the run's reward model anew for each fold."),
    ] = False,
    show: Annotated[int, typer.Option(min=0, help="How many suspects are printed.")] = 20,
) -> None:
    """Estimate how many labels are wrong, and list those to read first.

    A preference model learns from the other prompts and says how probable each label is. `pair` in
    the list is what `drpo data import --flip` and `--drop` take.
    """
    from drpo.data.labels.label_text import label_lines

    if per_fold and not judge:
        raise DataError("--per-fold needs --reward-model RUN, the run that says how it is trained.")
    try:
        with progress_line() as progress:
            loaded = _pairs(file, mapping, shape, progress)
            found = _found(loaded, judge, progress, per_fold=per_fold)
    except DataError as error:
        refuse(error, as_json=as_json)
    if as_json:
        print_json(found)
        return
    for line in label_lines(found, show):
        say(line)


def _found(
    loaded: PairSet, judge: str, progress: Progress | None, *, per_fold: bool
) -> dict[str, Any]:
    # Imported when asked for: scikit-learn, or torch.
    if not judge:
        from drpo.data.labels.label_check import check_labels

        return check_labels(loaded, progress=progress)
    from drpo.evaluation.reward_labels import check_by_reward, find_judge

    store = Store()
    try:
        return check_by_reward(loaded, find_judge(judge, store), per_fold=per_fold, tell=progress)
    finally:
        store.close()


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
