"""The stages of a run in their order: data, SFT, reward model, the method, evaluation.

A stage that is finished leaves its folder and a file with its figures in `models/`; a resumed run
finds them and goes on. A stage that was stopped leaves nothing and begins anew. TRL is loaded only
by runs that train such a stage: it costs seconds before the first point of a chart.
"""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers.utils.logging import disable_progress_bar

from drpo.alarms.handler import AlarmDesk
from drpo.config.run_config import RunConfig
from drpo.config.settings import UPDATING
from drpo.data.run_data import Materials, gather
from drpo.errors import CheckpointError, RunError
from drpo.evaluation import baselines
from drpo.modeling.models import Models, load_models
from drpo.rl import checkpoint, trainer
from drpo.runs import provenance
from drpo.runs.store_observer import Recorder

if TYPE_CHECKING:
    from drpo.data.pairs import Pair
    from drpo.stages import StageResult

RM_PAIRS = 256
"""Held-out pairs on which the reward model's accuracy is measured."""


class _StopAskedError(Exception):
    """Somebody asked to stop in the middle of a stage."""


@dataclass(frozen=True)
class Stage:
    """How one stage is run, and where it leaves its model."""

    folder: Path
    recorder: Recorder

    def once(self, name: str, metric_prefix: str, train: Callable[..., StageResult]) -> str:
        """Run a stage unless it is finished already, and return its model's folder.

        Args:
            name: Its folder under `models/`, and how progress calls it.
            metric_prefix: Put before the names of its curves: `rm` makes `rm/loss`.
            train: A stage function that lacks only folder, progress and stop.
        """
        out = self.folder / "models" / name
        figures = out.with_suffix(".json")
        if figures.is_file() and out.is_dir():
            return str(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        label = name.replace("_", " ")
        self.recorder.progress(label, 0, 0)
        self.recorder.begin_stage(metric_prefix)

        def progress(_stage: str, done: int, total: int, values: dict[str, float]) -> None:
            self.recorder.progress(label, done, total)
            self.recorder.stage_metrics(metric_prefix, done, values)

        result = train(out=out, progress=progress, should_stop=self.recorder.should_stop)
        # TRL's trainers refer to themselves in a circle, so the stage's models would stay where
        # they are until Python looks for circles; a GPU that is full does not make it look.
        gc.collect()
        torch.cuda.empty_cache()
        if result.stopped:
            shutil.rmtree(out, ignore_errors=True)
            raise _StopAskedError
        partial = figures.with_suffix(".part")
        partial.write_text(json.dumps(result.metrics), encoding="utf-8")
        partial.replace(figures)
        said = ", ".join(f"{key} {value:.3g}" for key, value in result.metrics.items())
        told = {"stage": name, "figures": dict(result.metrics)}
        self.recorder.event(0, "stage", f"{label} trained: {said}", told)
        self.recorder.note(**{name: result.metrics})
        return str(out)


def carry_out(config: RunConfig, folder: Path, recorder: Recorder) -> bool:
    """Run all stages of a run, from where it stands.

    Args:
        config: The run's settings, the device as the supervisor gave it.
        folder: The run's folder.
        recorder: Hears everything and says what people asked for.

    Returns:
        Whether it was stopped before its end.

    Raises:
        DrpoError: Data, models or settings do not allow it.
    """
    recorder.progress("data", 0, 0)
    disable_progress_bar()  # worker.log is read by people
    materials = gather(config, recorder.store)
    recorder.note(versions=provenance.versions(), data=provenance.data_of(materials))
    stage = Stage(folder, recorder)
    try:
        if recorder.should_stop():
            return True
        start = _start_policy(config, materials, stage)
        reward = _reward_model(config, materials, stage, start)
        return _method(config, materials, stage, start, reward)
    except _StopAskedError:
        return True


def _start_policy(config: RunConfig, materials: Materials, stage: Stage) -> str:
    """The policy that the method starts from: as given, or tuned on the chosen answers first."""
    if config.stages.sft_epochs == 0 and config.run.method != "sft":
        return config.models.policy
    wanted = config if config.stages.sft_epochs else config.replace(sft_epochs=1.0)

    from drpo.stages import train_sft

    def train(**hooks: object) -> StageResult:
        return train_sft(wanted, materials.train, heldout=materials.heldout, **hooks)  # type: ignore[arg-type]

    return stage.once("sft", "sft", train)


def _reward_model(config: RunConfig, materials: Materials, stage: Stage, start: str) -> str | None:
    """The reward model, ready or trained here; every method is measured by it."""
    if config.models.reward_model is not None:
        return config.models.reward_model
    if config.models.reward_source == "gold" and config.run.method != "rm":
        return None

    from drpo.stages import train_reward_model

    def train(**hooks: object) -> StageResult:
        return train_reward_model(
            config,
            materials.train,
            model=start,
            heldout=materials.heldout,
            **hooks,  # type: ignore[arg-type]
        )

    return stage.once("reward_model", "rm", train)


def _method(
    config: RunConfig, materials: Materials, stage: Stage, start: str, reward: str | None
) -> bool:
    method, recorder = config.run.method, stage.recorder
    if method == "rm":
        return False
    if method in UPDATING:
        return _train_policy(config, materials, stage, start, reward)
    recorder.rewind(-1)
    if method == "dpo":
        from drpo.stages import train_dpo

        def train(**hooks: object) -> StageResult:
            return train_dpo(
                config,
                materials.train,
                model=start,
                heldout=materials.heldout,
                **hooks,  # type: ignore[arg-type]
            )

        trained = stage.once("dpo", "dpo", train)
    else:
        trained = start
    recorder.progress("evaluation", 0, 0)
    # SFT is measured against the policy it began with, the others against the policy given to them.
    origin = config.models.policy if method == "sft" else start
    plain = config.replace(lora_rank=0)
    models = load_models(plain, policy=origin, reward_model=reward, gold=materials.gold)
    _measure_reward_model(models, materials.heldout, recorder)
    if method == "best_of_n":
        baselines.best_of_n(models, materials.heldout, config, recorder)
    else:
        baselines.compare(models, trained, materials.heldout, config, recorder)
    return False


def _train_policy(
    config: RunConfig, materials: Materials, stage: Stage, start: str, reward: str | None
) -> bool:
    """DR-PO, or PPO when resets are off."""
    recorder, directory = stage.recorder, stage.folder / "checkpoints"
    recorder.progress("loading models", 0, 0)
    config = config.replace(reset_prob=config.effective_reset_prob())
    models = load_models(config, policy=start, reward_model=reward, gold=materials.gold)
    newest = checkpoint.latest(directory)
    state = None if newest is None else checkpoint.load(newest, models, config)
    step = -1 if state is None else state.step
    checkpoint.forget_after(directory, step)
    standing = {}
    if state is not None:
        total = config.ppo.updates
        standing = {"kl_coef": state.kl.at(step, total), "reset_prob": state.reset.at(step, total)}
    recorder.rewind(step, standing)
    recorder.desk = AlarmDesk(recorder.store, recorder.run_id, config.alarms, resume_step=step)
    if state is None:
        _measure_reward_model(models, materials.heldout, recorder)
    state = trainer.train(
        models,
        materials.train,
        materials.heldout,
        config,
        recorder,
        checkpoint_dir=directory,
        state=state,
        demonstrations=materials.demonstrations,
    )
    return state.step < config.ppo.updates


def _measure_reward_model(models: Models, heldout: list[Pair], recorder: Recorder) -> None:
    """Say how often the reward model prefers the answer people preferred."""
    if models.learned is None:
        return
    pairs = heldout[:RM_PAIRS]
    recorder.progress("reward model accuracy", 0, len(pairs))
    accuracy, error = baselines.accuracy_of(models.learned, pairs, models)
    recorder.metrics(0, {"eval/rm_accuracy": accuracy, "eval/rm_accuracy_se": error})


def export(config: RunConfig, folder: Path, out: Path) -> int | None:
    """Write what a run trained as a folder that `from_pretrained` loads.

    Returns:
        The updates that its policy has seen; None where the method makes none.

    Raises:
        CheckpointError: Nothing is saved yet.
        RunError: The method trains no policy.
    """
    method = config.run.method
    if method == "best_of_n":
        raise RunError("Best-of-n trains nothing; its model is the start policy itself.")
    if method in UPDATING:
        step = max(checkpoint.policies(folder / "checkpoints"), default=None)
        checkpoint.export(folder, out, step=step)
        return step
    source = folder / "models" / {"sft": "sft", "dpo": "dpo", "rm": "reward_model"}[method]
    if not source.with_suffix(".json").is_file():
        raise CheckpointError(
            f"{folder.name} has not finished its {method} stage; nothing to export."
        )
    if out.exists():
        out.rmdir()
    shutil.copytree(source, out)
    return None
