"""What a run's reward model says of labels: as it is, or trained anew for each fold.

A reward model that was trained on labels has learned their errors with them, so that its own word
on them is worth less than that of one which has not seen them. The second takes as many trainings
as there are folds.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpo.config.run_config import RunConfig
from drpo.data.labels.cross_fit import (
    FOLDS,
    OutOfFold,
    Tell,
    deal,
    groups_of,
    probabilities_of,
)
from drpo.data.labels.label_check import check_labels
from drpo.data.library.upload_job import ReadUpload, run_upload_job
from drpo.data.pairs import Pair
from drpo.data.pairset import PairSet
from drpo.errors import ConfigError
from drpo.home import outline
from drpo.modeling.reward_model import RewardModel, load_reward_model
from drpo.stages.reward import train_reward_model
from drpo.store import Store, run_folder
from drpo.system.jobs import JobFolder
from drpo.system.limits import limit_this_process

AT_ONCE = 256
TRAINED = ("models", "reward_model")
"""Where a run's folder holds the reward model that it trained."""

Gaps = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judge:
    """A reward model, and how it was made where it is a run's own."""

    name: str
    folder: str
    config: RunConfig | None = None
    start: str = ""
    """What its training began from."""


def find_judge(name: str, store: Store) -> Judge:
    """Find a run's reward model, or one by its folder.

    Args:
        name: A run's id, the beginning of it, or a folder.
        store: Where runs are.

    Raises:
        RunError: There is neither.
        ConfigError: The run has no reward model.
    """
    if Path(name).is_dir():
        return Judge(Path(name).name, name)
    run = store.runs.find(name)
    config, folder = RunConfig.from_nested(run.config), run_folder(run.id)
    outline(folder)
    trained, tuned = folder.joinpath(*TRAINED), folder / "models" / "sft"
    used = str(trained) if trained.is_dir() else config.models.reward_model
    if used is None:
        raise ConfigError(
            f"{run.id} has no reward model (reward_source {config.models.reward_source}); expected "
            "one that trained or was given one. Choose another run, or the folder of a model."
        )
    start = str(tuned) if tuned.is_dir() else config.models.policy
    return Judge(run.name or run.id, used, config, start)


def check_by_reward(
    loaded: PairSet, judge: Judge, *, per_fold: bool = False, tell: Tell | None = None
) -> dict[str, Any]:
    """Check labels by a reward model.

    Args:
        loaded: The pairs.
        judge: The reward model.
        per_fold: Train one like it on the other folds for each fold, instead of asking it.
        tell: Told how far it is.

    Raises:
        ConfigError: It is to be trained anew, and no run says how.
        DataError: There are too few pairs.
        ModelError: It cannot be loaded.
    """
    tell = tell or (lambda _stage, _done, _total: None)
    groups = groups_of(loaded.pairs)
    if per_fold:
        gaps = _gaps_by_fold(loaded.pairs, groups, judge, tell)
    else:
        reads = "auto" if judge.config is None else judge.config.data.prompt_format
        model = load_reward_model(judge.folder, prompt_format=reads)
        gaps = _gaps(model, loaded.pairs, tell)
    judged = OutOfFold(probabilities_of(gaps), None, None, groups, cross_fitted=per_fold)
    kind = "reward_model_folds" if per_fold else "reward_model"
    named: Mapping[str, Any] = {"kind": kind, "name": judge.name}
    return check_labels(loaded, judged=judged, model=named, progress=tell)


def _gaps_by_fold(
    pairs: Sequence[Pair], groups: NDArray[np.int64], judge: Judge, tell: Tell
) -> Gaps:
    if judge.config is None:
        raise ConfigError(
            f"{judge.name} is a folder, and only a run says how its reward model was trained; "
            "expected a run's id for training one for each fold."
        )
    config = judge.config
    folds = deal(groups, seed=0)
    gaps = np.zeros(len(pairs))
    with tempfile.TemporaryDirectory(prefix="drpo-labels-") as place:
        for fold in range(FOLDS):
            known = [pair for pair, at in zip(pairs, folds, strict=True) if at != fold]
            there = np.flatnonzero(folds == fold)

            def progress(
                _stage: str, done: int, total: int, _figures: object, at: int = fold
            ) -> None:
                tell("train", at * total + done, FOLDS * total)

            out = Path(place) / str(fold)
            train_reward_model(config, known, out, model=judge.start, progress=progress)
            gaps[there] = _gaps(
                load_reward_model(out), [pairs[int(index)] for index in there], tell
            )
    return gaps


def _gaps(model: RewardModel, pairs: Sequence[Pair], tell: Tell) -> Gaps:
    """By how much each chosen answer outscores the rejected one."""
    gaps: list[float] = []
    for begin in range(0, len(pairs), AT_ONCE):
        tell("score", begin, len(pairs))
        part = pairs[begin : begin + AT_ONCE]
        prompts = [pair.asked for pair in part]
        chosen = model.score_texts(prompts, [pair.chosen for pair in part])
        rejected = model.score_texts(prompts, [pair.rejected for pair in part])
        gaps += [better - worse for better, worse in zip(chosen, rejected, strict=True)]
    return np.array(gaps)


def _check(job: JobFolder) -> dict[str, Any]:
    upload = ReadUpload(job)
    store = Store()
    try:
        judge = find_judge(job.options["judge"], store)
    finally:
        store.close()
    per_fold = bool(job.options.get("per_fold"))
    return check_by_reward(upload.pairs, judge, per_fold=per_fold, tell=job.progress)


if __name__ == "__main__":
    limit_this_process()
    sys.exit(run_upload_job(Path(sys.argv[1]), _check))
