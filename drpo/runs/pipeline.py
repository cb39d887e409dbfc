"""The stages of a run in their order: data, SFT, reward model, the method, evaluation.

A stage that is finished leaves its folder and a file with its figures in `models/`; a resumed run
finds them and goes on. A stage that was stopped leaves nothing and begins anew. Of several ranks
the first one alone decides by what stands there, and writes. The pipeline knows no store: whoever
carries a run out hands its data in and listens.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from drpo import metrics
from drpo.config.methods import UPDATING
from drpo.config.run_config import RunConfig
from drpo.data.run_data import RunData
from drpo.errors import CheckpointError, RunError
from drpo.evaluation import baselines
from drpo.files import CHECKSUMS, damaged_files, read_json, whole_folder, write_json
from drpo.modeling.exporting import export_policy
from drpo.modeling.interrupt import StopAskedError, stops_between_passes
from drpo.modeling.models import Models, load_models, load_to_evaluate
from drpo.modeling.release import release
from drpo.parallel.group import here
from drpo.rl import checkpoint, checkpoint_folders, trainer
from drpo.runs import provenance
from drpo.runs.run_observer import RunObserver

if TYPE_CHECKING:
    from drpo.data.pairs import Pair
    from drpo.modeling.scorers import Scorer
    from drpo.stages import StageResult

RM_PAIRS = 256
"""Held-out pairs on which the reward model's accuracy is measured."""


@dataclass(frozen=True)
class Stage:
    """How one stage is run, and where it leaves its model."""

    folder: Path
    observer: RunObserver
    critic_weight: float = 1.0
    """What the critic's loss was multiplied by where an earlier version wrote the checkpoint."""

    def once(self, name: str, curves: metrics.Stage, train: Callable[..., StageResult]) -> str:
        """Run a stage unless it is finished already, and return its model's folder.

        Args:
            name: Its folder under `models/`, and how progress calls it.
            curves: The stage that its metrics are declared under: `rm` makes `rm/loss`.
            train: A stage function that lacks only folder, progress and stop.
        """
        out, ranks = self.folder / "models" / name, here()
        if ranks.first(lambda: self._is_finished(name, out)):
            return str(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        label = name.replace("_", " ")
        self.observer.progress(label, 0, 0)
        self.observer.begin_stage(curves)

        def progress(_stage: str, done: int, total: int, values: dict[str, float]) -> None:
            self.observer.progress(label, done, total)
            self.observer.stage_metrics(curves, done, values)

        result = train(out=out, progress=progress, should_stop=self.observer.should_stop)
        release()
        if result.stopped:
            ranks.first(lambda: shutil.rmtree(out, ignore_errors=True))
            raise StopAskedError
        ranks.first(lambda: write_json(out.with_suffix(".json"), result.metrics))
        listed = ", ".join(f"{key} {value:.3g}" for key, value in result.metrics.items())
        payload = {"stage": name, "figures": dict(result.metrics)}
        self.observer.event(0, "stage", f"{label} trained: {listed}", payload)
        self.observer.note(**{name: result.metrics})
        return str(out)

    def _is_finished(self, name: str, out: Path) -> bool:
        """Whether a stage's model is there and whole; a damaged one is told of."""
        if not out.with_suffix(".json").is_file() or not out.is_dir():
            return False
        damaged = damaged_files(out)
        if damaged:
            listed = ", ".join(damaged)
            told = f"The model of {name} is damaged ({listed}); it is trained anew."
            wrong = {"how": "damaged_model", "stage": name, "wrong": listed}
            self.observer.event(0, "note", told, wrong)
        return not damaged


@dataclass(frozen=True)
class Rewards:
    """What scores answers."""

    model: str | None
    """Folder or name of a reward model."""
    given: Scorer | None = None
    """The caller's own: trained on in place of the settings' reward."""


def run_stages(
    config: RunConfig,
    data: RunData,
    folder: Path,
    observer: RunObserver,
    *,
    reward: Scorer | None = None,
    critic_weight: float = 1.0,
) -> bool:
    """Run all stages of a run, from where it stands.

    Args:
        config: The run's settings, the device as the supervisor gave it.
        data: The run's data.
        folder: The run's folder.
        observer: Takes metrics, samples and events, and returns what people asked for.
        reward: What the policy is trained to raise, in place of the settings' reward.
        critic_weight: What the critic's loss was multiplied by in an earlier version, if one wrote
            the run's newest checkpoint.

    Returns:
        Whether it was stopped before its end.

    Raises:
        DrpoError: Data, models or settings do not allow it.
    """
    observer.note(versions=provenance.versions(), data=provenance.data_of(data))
    stage = Stage(folder, observer, critic_weight)
    try:
        if here().first(observer.should_stop):
            return True
        start = _start_policy(config, data, stage)
        rewards = Rewards(_reward_model(config, data, stage, start, reward), reward)
        return _method(config, data, stage, start, rewards)
    except StopAskedError:
        return True


def try_stages(
    config: RunConfig,
    of_stages: RunData,
    of_policy: RunData,
    folder: Path,
    observer: RunObserver,
) -> None:
    """Run all stages on a few rows each, to see what they take: the longest rows of each kind.

    Args:
        config: The run's settings, made short.
        of_stages: What SFT, the reward model and DPO read.
        of_policy: What the policy answers.
        folder: A folder to throw away.
        observer: Hears the stages' names.
    """
    stage = Stage(folder, observer)
    start = _start_policy(config, of_stages, stage)
    rewards = Rewards(_reward_model(config, of_stages, stage, start, None))
    if config.run.method in UPDATING:
        _method(config, of_policy, stage, start, rewards)
    else:
        _method(config, replace(of_stages, heldout=of_policy.heldout), stage, start, rewards)


def _start_policy(config: RunConfig, data: RunData, stage: Stage) -> str:
    """The policy that the method starts from: as given, or tuned on the chosen answers first."""
    if config.stages.sft_epochs == 0 and config.run.method != "sft":
        return config.models.policy
    wanted = config if config.stages.sft_epochs else config.replace(sft_epochs=1.0)

    from drpo.stages import train_sft

    def train(**hooks: object) -> StageResult:
        return train_sft(wanted, data.train, heldout=data.heldout, **hooks)  # type: ignore[arg-type]

    return stage.once("sft", "sft", train)


def _reward_model(
    config: RunConfig, data: RunData, stage: Stage, start: str, given: Scorer | None
) -> str | None:
    """The reward model, ready or trained here; every method is measured by it."""
    if config.models.reward_model is not None:
        return config.models.reward_model
    other = given is not None or config.models.reward_source == "gold"
    if other and config.run.method != "rm":
        return None

    from drpo.stages import train_reward_model

    def train(**hooks: object) -> StageResult:
        return train_reward_model(
            config,
            data.train,
            model=start,
            heldout=data.heldout,
            **hooks,  # type: ignore[arg-type]
        )

    return stage.once("reward_model", "rm", train)


def _method(config: RunConfig, data: RunData, stage: Stage, start: str, rewards: Rewards) -> bool:
    method, observer = config.run.method, stage.observer
    if method == "rm":
        return False
    if method in UPDATING:
        return _train_policy(config, data, stage, start, rewards)
    observer.rewind(-1)
    if method == "dpo":
        from drpo.stages import train_dpo

        def train(**hooks: object) -> StageResult:
            return train_dpo(
                config,
                data.train,
                model=start,
                heldout=data.heldout,
                **hooks,  # type: ignore[arg-type]
            )

        trained = stage.once("dpo", "dpo", train)
    else:
        trained = start
    observer.progress("evaluation", 0, 0)
    # SFT is measured against the policy it began with, the others against the policy given to them.
    origin = config.models.policy if method == "sft" else start
    models = load_to_evaluate(
        config,
        start=origin,
        reward_model=rewards.model,
        gold=data.gold,
        reward=rewards.given,
    )
    _measure_reward_model(models, data.heldout, observer)
    if method == "best_of_n":
        baselines.best_of_n(models, data.heldout, config, observer)
    else:
        baselines.compare(models, trained, data.heldout, config, observer)
    return False


def _train_policy(
    config: RunConfig, data: RunData, stage: Stage, start: str, rewards: Rewards
) -> bool:
    """DR-PO, or PPO when resets are off."""
    observer, directory = stage.observer, stage.folder / "checkpoints"
    observer.progress("loading models", 0, 0)
    models = load_models(
        config,
        policy=start,
        reward_model=rewards.model,
        gold=data.gold,
        reward=rewards.given,
    )
    found = models.ranks.first(lambda: checkpoint_folders.newest_sound(directory))
    state, remembered = None, {}
    if found.folder is not None:
        remembered = read_json(found.folder / checkpoint_folders.OBSERVER)
        state = checkpoint.load(found.folder, models, config, critic_weight=stage.critic_weight)
    step = -1 if state is None else state.step
    models.ranks.first(lambda: checkpoint_folders.forget_after(directory, step))
    observer.rewind(step, {} if state is None else state.settings(config.ppo.updates))
    for name, wrong in found.damaged.items():
        told = f"{name} is damaged ({wrong}); going on from the checkpoint before it."
        damage = {"how": "damaged_checkpoint", "folder": name, "wrong": wrong}
        observer.event(step, "note", told, damage)
    observer.watch(config.alarms, step, remembered)
    if state is None:
        _measure_reward_model(models, data.heldout, observer)
    state = trainer.train(
        models,
        data.train,
        data.heldout,
        config,
        observer,
        checkpoint_dir=directory,
        state=state,
        demonstrations=data.demonstrations,
    )
    return state.step < config.ppo.updates or state.owes_evaluation


def _measure_reward_model(models: Models, heldout: list[Pair], observer: RunObserver) -> None:
    """Say how often the reward model prefers the answer people preferred."""
    if models.learned is None:
        return
    pairs = heldout[:RM_PAIRS]
    observer.progress("reward model accuracy", 0, len(pairs))
    with stops_between_passes(models.networks(), observer.should_stop, models.ranks):
        accuracy, error = baselines.accuracy_of(models.learned, pairs, models)
    observer.progress("reward model accuracy", len(pairs), len(pairs))
    observer.metrics(
        0, {metrics.EVAL_RM_ACCURACY: accuracy, metrics.error_of(metrics.EVAL_RM_ACCURACY): error}
    )


def export(config: RunConfig, folder: Path, out: Path) -> int | None:
    """Write what a run trained as a folder that `from_pretrained` loads.

    Returns:
        The updates that its policy has seen; None where the method makes none.

    Raises:
        CheckpointError: Nothing is saved yet.
        RunError: The folder is in use, or the run's method trains no model.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out} exists and is not an empty folder; choose another.")
    method = config.run.method
    if method == "best_of_n":
        raise RunError("Best-of-n trains nothing; its model is the start policy itself.")
    if method in UPDATING:
        step = max(checkpoint_folders.policies(folder / "checkpoints"), default=None)
        checkpoint.export(folder, out, config, step=step)
        return step
    source = folder / "models" / {"sft": "sft", "dpo": "dpo", "rm": "reward_model"}[method]
    if not source.with_suffix(".json").is_file():
        raise CheckpointError(
            f"{folder.name} has not finished its {method} stage; nothing to export."
        )
    with whole_folder(out, durable=True) as beside:
        if method == "rm":
            rest = shutil.ignore_patterns(CHECKSUMS)
            shutil.copytree(source, beside, ignore=rest, dirs_exist_ok=True)
        else:
            export_policy(source, beside, config)
    return None
