"""Save all that an exact resume needs, and give finished policies away.

    checkpoints/step-000010/
        policy/                 a Hugging Face folder (with adapters: an adapter folder)
        critic.safetensors      (where there is a critic)
        optimizer.safetensors   ) these two make it a checkpoint; without them it is a snapshot of
        state.json              ) the policy, to generate with but not to resume from
        observer.json           what whoever listens to the run wants back on a resume
        score.json              (where these weights were evaluated)
        checksums.json          what every file should hold

Random draws depend on (seed, step) alone and the data order on the step, so no generator state is
kept. A folder is written beside, flushed and renamed: it is there whole or not at all. Safetensors
and JSON only; nothing is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import load_peft_weights, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from drpo.config.run_config import RunConfig
from drpo.errors import CheckpointError, ModelError
from drpo.files import CHECKSUMS, read_json, whole_folder, write_checksums, write_json
from drpo.home import fetch
from drpo.modeling.exporting import export_policy
from drpo.modeling.model_loading import load_causal
from drpo.modeling.models import Models
from drpo.modeling.shared_base import POLICY as POLICY_ADAPTER
from drpo.rl.checkpoint_folders import (
    FORMAT,
    OBSERVER,
    POLICY,
    SCORE,
    STATE,
    folder_name,
    policies,
    read_record,
    see_that_policy_is_whole,
    thin,
)
from drpo.rl.curriculum import Curriculum
from drpo.rl.optimizer import load_moments, make_optimizer, optimizer_tensors
from drpo.rl.schedules import (
    KLCoefficient,
    ResetProbability,
    ScheduledValue,
    kl_coefficient,
    reset_probability,
)

SNAPSHOT_LIMIT = 64 * 2**20
"""Bytes up to which a policy is kept at every evaluation; larger ones only in checkpoints."""
_STATISTICS = ("mean", "spread")


@dataclass
class TrainState:
    """Where a run stands, weights apart."""

    optimizer: torch.optim.AdamW
    kl: KLCoefficient
    reset: ResetProbability
    curriculum: Curriculum
    learning_rate: float
    """The setting, or what it was changed to when the run was resumed."""
    step: int = 0
    """Updates done."""
    episodes: int = 0
    num_tokens: int = 0
    """Written by the policy so far, whether learned from or not."""
    score: float | None = None
    """Mean held-out score of the present weights; None where they were not evaluated."""
    owes_evaluation: bool = False
    """Whether somebody stopped in the evaluation of the present weights."""

    @classmethod
    def begin(cls, models: Models, config: RunConfig) -> TrainState:
        """Return the state of a run that has done nothing yet."""
        return cls(
            make_optimizer(models, config),
            kl_coefficient(config),
            reset_probability(config),
            Curriculum(config),
            config.ppo.learning_rate,
        )

    def change(self, name: str, value: float, updates: int) -> float:
        """Give a setting another value from the next update on; returns the one before.

        Args:
            name: One of `methods.RESUME_SETTINGS`.
            value: The new one.
            updates: How many the run makes, which its schedules go by.
        """
        if name == "learning_rate":
            old, self.learning_rate = self.learning_rate, value
            return old
        scheduled: ScheduledValue = {"kl_coef": self.kl, "reset_prob": self.reset}[name]
        old = scheduled.at(self.step, updates)
        scheduled.change(self.step, value)
        return old

    def settings(self, updates: int) -> dict[str, float]:
        """The present values of what may be changed, by name."""
        return {
            "kl_coef": self.kl.at(self.step, updates),
            "reset_prob": self.reset.at(self.step, updates),
            "learning_rate": self.learning_rate,
        }


def save(models: Models, state: TrainState, directory: Path, remembered: Mapping[str, Any]) -> Path:
    """Write a full checkpoint of the present step; older ones beyond the last two are thinned.

    The policy with the best held-out score is kept whatever becomes of the others.

    Args:
        models: The run's.
        state: Where it stands.
        directory: The run's `checkpoints`.
        remembered: What whoever listens wants back when the run goes on from here, as JSON.

    Returns:
        The checkpoint's folder.
    """
    folder = directory / folder_name(state.step)
    with whole_folder(folder, durable=True) as beside:
        _write_policy(models, beside / POLICY)
        if models.critic is not None:
            save_file(_critic_tensors(models), beside / "critic.safetensors")
        save_file(optimizer_tensors(models, state.optimizer), beside / "optimizer.safetensors")
        record = {
            "format": FORMAT,
            "checksums": True,
            "step": state.step,
            "episodes": state.episodes,
            "num_tokens": state.num_tokens,
            "kl": state.kl.state(),
            "reset": state.reset.state(),
            "curriculum": state.curriculum.state(),
            "learning_rate": state.learning_rate,
            "owes_evaluation": state.owes_evaluation,
        }
        (beside / STATE).write_text(json.dumps(record, indent=2), encoding="utf-8")
        if state.score is not None:
            write_json(beside / SCORE, {"score": state.score})
        write_json(beside / OBSERVER, remembered)
        write_checksums(beside)
    thin(directory, keep_policies=models.policy_bytes() <= SNAPSHOT_LIMIT)
    return folder


def _critic_tensors(models: Models) -> dict[str, Tensor]:
    """The critic's trained weights, and the statistics of the returns that it counts in."""
    assert models.critic is not None, "asked only where there is one"
    weights = {
        name.removeprefix("critic."): weight
        for name, weight in models.trained().items()
        if name.startswith("critic.")
    }
    weights |= {name: getattr(models.critic, name) for name in _STATISTICS}
    return {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}


def _load_critic(models: Models, folder: Path) -> bool:
    """Put the critic's weights back; say whether this version wrote them, or an earlier one."""
    assert models.critic is not None, "asked only where there is one"
    file = folder / "critic.safetensors"
    if not file.is_file():
        raise CheckpointError(
            f"{folder} lacks critic.safetensors, which advantage 'gae' goes on from; resume from "
            "another checkpoint, or start the run anew."
        )
    saved = load_file(file)
    for name, weight in models.trained().items():
        if name.startswith("critic."):
            weight.data.copy_(saved[name.removeprefix("critic.")])
    for name in _STATISTICS:
        # A critic of an earlier version counted in score units from 0, as a fresh one does.
        if name in saved:
            getattr(models.critic, name).copy_(saved[name])
    return set(_STATISTICS) <= set(saved)


def save_snapshot(models: Models, step: int, directory: Path) -> Path | None:
    """Keep the policy alone, to generate with; None where it is too large for that."""
    folder = directory / folder_name(step)
    if models.policy_bytes() > SNAPSHOT_LIMIT:
        return None
    if (folder / POLICY).is_dir():
        return folder
    with whole_folder(folder, durable=True) as beside:
        _write_policy(models, beside / POLICY)
        write_checksums(beside)
    return folder


def load(
    folder: Path, models: Models, config: RunConfig, *, critic_weight: float = 1.0
) -> TrainState:
    """Put a checkpoint's weights into `models` and return the state to go on from.

    That its files hold what was written is not asked here again: `newest_sound` chose it.

    Args:
        folder: The checkpoint.
        models: Of the run; changed in place.
        config: The run.
        critic_weight: What the critic's loss was multiplied by in an earlier version; it counts
            only where such a one wrote the checkpoint.

    Raises:
        CheckpointError: The folder is no full checkpoint, or belongs to another run's models.
    """
    record = read_record(folder)
    state = TrainState.begin(models, config)
    _load_policy(models, folder / POLICY)
    try:
        optimizer = load_file(folder / "optimizer.safetensors")
        if models.critic is not None and _load_critic(models, folder):
            critic_weight = 1.0
        load_moments(models, state.optimizer, optimizer, critic_weight=critic_weight)
    except (KeyError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder} does not fit the run's models ({error}); resume with the settings and start "
            "policy that it was written with."
        ) from error
    state.step, state.episodes = record["step"], record["episodes"]
    state.num_tokens = int(record.get("num_tokens", 0))
    state.kl = KLCoefficient.from_state(record["kl"])
    state.reset = ResetProbability.from_state(record["reset"])
    state.curriculum = Curriculum.from_state(config, record.get("curriculum", {}))
    state.learning_rate = float(record.get("learning_rate", config.ppo.learning_rate))
    state.score = read_json(folder / SCORE).get("score")
    state.owes_evaluation = bool(record.get("owes_evaluation", False))
    return state


def export(run_folder: Path, out: Path, config: RunConfig, *, step: int | None = None) -> Path:
    """Write a policy as a folder that `from_pretrained` loads, tokenizer included.

    Args:
        run_folder: The run's folder, with its `checkpoints`.
        out: The folder to make; it must not exist, or be empty.
        config: The run's settings.
        step: Which kept policy; the newest when not said.

    Returns:
        `out`.

    Raises:
        CheckpointError: No such policy is kept, it is damaged, or `out` is taken.
    """
    kept = policies(run_folder / "checkpoints")
    if not kept or (step is not None and step not in kept):
        have = ", ".join(map(str, kept)) or "none"
        raise CheckpointError(
            f"{run_folder.name} has no policy of step {step if step is not None else 'any'}; kept "
            f"steps: {have}. A run keeps its first policy at its first evaluation or checkpoint."
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CheckpointError(
            f"{out} exists already; expected a new or empty folder, name another."
        )
    source = kept[step if step is not None else max(kept)]
    for part in (source, source.parent / CHECKSUMS):
        fetch(part)
    see_that_policy_is_whole(source.parent)
    with whole_folder(out, durable=True) as beside:
        export_policy(source, beside, config)
    return out


def _write_policy(models: Models, folder: Path) -> None:
    extra: dict[str, Any] = {}
    if models.adapted:
        # No embedding is ever resized here, so PEFT need not look for resized ones.
        extra = {"save_embedding_layers": False, "selected_adapters": [POLICY_ADAPTER]}
    models.policy.save_pretrained(folder, **extra)  # type: ignore[operator]
    models.vocabulary.tokenizer.save_pretrained(folder)
    # PEFT's template of a model card: it says nothing about this run.
    (folder / "README.md").unlink(missing_ok=True)


def _load_policy(models: Models, folder: Path) -> None:
    try:
        if models.adapted:
            set_peft_model_state_dict(models.policy, load_peft_weights(str(folder), device="cpu"))
        else:
            models.policy.load_state_dict(load_causal(folder).state_dict())
    except (ModelError, OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder} does not hold this run's policy ({error}); resume with the settings and "
            "start policy that it was written with."
        ) from error
