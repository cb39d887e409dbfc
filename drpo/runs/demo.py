"""The demo: DR-PO on the sample material, and two stories of two runs side by side.

Figures behind the settings stand in sample_data/README.md, those of the real demo (`reviews`) in
docs/real-demo.md; a test trains the default one and sees gold rise.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drpo.config.reset_methods import in_settings
from drpo.config.run_config import RunConfig
from drpo.errors import ConfigError, DataError, ModelError
from drpo.runs import added_models
from drpo.store import Store
from drpo.store.schema import Run
from drpo.system.bundled import bundled

SAMPLES = bundled("sample_data")

COMMON: dict[str, Any] = {
    "episodes_per_update": 64,
    "updates": 30,
    "learning_rate": 2e-4,
    "lr_schedule": "constant",
    "kl_coef": 0.2,
    "reset_prob": 0.5,
    "eval_every": 5,
    "eval_prompts": 128,
    "sample_prompts": 128,
}
"""Found by trial on two cores: a tiny model learns within minutes at this step size."""

MATERIAL = {
    "data": "files/{task}.jsonl.gz",
    "heldout": "files/{task}_heldout.jsonl.gz",
    "policy": "models/{task}-policy",
}
"""Where a task's pairs and its start policy lie among the samples."""


@dataclass(frozen=True)
class Task:
    """A sample task: what a demo of it is set to, and where its material lies."""

    about: str
    """A few words for `--help`; the screens have theirs in `launch.toml`, `sample_NAME`."""
    settings: Mapping[str, Any]
    """Where they differ from `COMMON`."""
    material: Mapping[str, str]
    """Setting -> place among the samples, `{task}` standing for the task's name."""
    made_by: str = "make sample"
    """The command that makes the material again."""
    model: str = ""
    """A start policy that `drpo models add` brings, where none is among the samples."""

    def paths(self, name: str) -> dict[str, Path]:
        """Where each piece of the material is, by the setting that names it."""
        places = {leaf: SAMPLES / place.format(task=name) for leaf, place in self.material.items()}
        return places | ({"policy": added_models.folder_of(self.model)} if self.model else {})

    def is_here(self, name: str) -> bool:
        """Whether all of its material is."""
        return all(path.exists() for path in self.paths(name).values())


REAL_TASK, REAL_MODEL = "reviews", "smollm2"
"""The task whose start policy is a real model, and that model."""
HOW_TO_ADD = f"pip install 'drpo[real]'\ndrpo models add {REAL_MODEL}"
"""The commands that bring it into the workspace."""
JUDGED = {**MATERIAL, "reward_model": "models/{task}-reward"}
"""The same with a reward model."""
LADDER: dict[str, Any] = {
    "reward_source": "gold",
    "kl_coef": 0.01,
    "advantage": "rloo",
    "response_length": 24,
    "learning_rate": 1e-3,
    "num_ppo_epochs": 2,
    "eval_prompts": 200,
}
"""Tasks with a right answer and no reward model: small enough for large steps."""
ADDITION: dict[str, Any] = {
    "episodes_per_update": 256,
    "learning_rate": 5e-4,
    "kl_coef": 0.02,
}
"""Sums differ far more than codes do: of groups from eight prompts alone, a step of 1e-3 overwrites
within five updates what the start policy could."""
PARITY: dict[str, Any] = {
    "episodes_per_update": 512,
    "group_size": 8,
    "updates": 200,
    "eval_every": 20,
    "kl_coef": 0.04,
    # Of eight continuations that need one more letter, half succeed by chance alone.
    "reset_success": 0.75,
}
"""Each of the 64 prompts once an update; with a weaker brake the policy settles on a few letters
before it knows which. Found by trial: `--method adaback` solves it, docs/resets.md."""
TASKS: dict[str, Task] = {
    # Two passes: half the processor time of four, so that a laptop is done in minutes. Groups
    # instead of a critic: the same gold at six tenths of the time (docs/estimators.md).
    "tldr": Task("graded reward", {"num_ppo_epochs": 2, "advantage": "rloo"}, JUDGED),
    # Trained on the true score: what is shown is where episodes start, not a judge's blind spots.
    "strict": Task(
        "all or nothing",
        {"reward_source": "gold", "kl_coef": 0.05, "advantage": "rloo"},
        JUDGED,
    ),
    "lock": Task("a code of twelve letters, all or nothing", LADDER, MATERIAL),
    "addition": Task("sums with carries, all or nothing", {**LADDER, **ADDITION}, MATERIAL),
    "parity": Task("latent parities, all or nothing", {**LADDER, **PARITY}, MATERIAL),
    # A chat model whose reward model is learned first, from pairs of its own answers.
    "reviews": Task(
        f"film reviews by SmolLM2, after `drpo models add {REAL_MODEL}`",
        {
            "advantage": "rloo",
            "lora_rank": 8,
            "response_length": 32,
            # At 1 so small a model garbles its words.
            "temperature": 0.7,
            "eval_temperature": 0.7,
            "updates": 12,
            "episodes_per_update": 32,
            "micro_batch_size": 32,
            # As many steps as two passes of two make, at half the cost.
            "num_ppo_epochs": 1,
            "num_mini_batches": 4,
            "learning_rate": 5e-4,
            "kl_coef": 0.1,
            # A warm word counts where it stands. At a step of 1e-4, a third of the pairs: 62 % of
            # held-out pairs right; at 4e-4, all of them: 80 %; at 1.5e-3: 84 %.
            "rm_pooling": "sum",
            "rm_learning_rate": 1e-3,
            "rm_batch_size": 8,
            "rm_epochs": 1.0,
            # Added up, scores like longer answers: with 2 subtracted from those that did not come
            # to an end, 33 to 78 % ended after twelve updates, of 61 % before.
            "missing_eos": "replace",
            "missing_eos_penalty": -1.0,
            "eval_every": 4,
            "eval_prompts": 64,
            "sample_prompts": 64,
        },
        {leaf: MATERIAL[leaf] for leaf in ("data", "heldout")},
        "python sample_data/reviews.py",
        REAL_MODEL,
    ),
}


@dataclass(frozen=True)
class Story:
    """Two runs that differ in one setting, shown side by side."""

    name: str
    task: str
    setting: str
    """The one setting that differs."""
    values: tuple[float, float]
    shared: Mapping[str, Any]

    def configs(self, **overrides: Any) -> list[RunConfig]:  # noqa: ANN401 - checked by RunConfig
        """The runs' settings, same seed."""
        return [
            demo_config(
                self.task,
                **{"name": f"{self.name} {self.setting}={value:g}", self.setting: value},
                **{**self.shared, **overrides},
            )
            for value in self.values
        ]

    def launch(self, store: Store, **overrides: Any) -> list[Run]:  # noqa: ANN401
        """Queue both runs as one story."""
        story = f"{self.name}:{secrets.token_hex(4)}"
        return [store.runs.create(config, story=story) for config in self.configs(**overrides)]


CRITIC: dict[str, Any] = {"advantage": "gae"}
"""The stories were found, and are told in the study, with a critic."""
STORIES: dict[str, Story] = {
    story.name: story
    for story in (
        # Too weak a brake: the learned reward rises while the true one falls (reward hacking).
        Story(
            "brake", "tldr", "kl_coef", (0.02, 0.2), {"updates": 40, **CRITIC, "num_ppo_epochs": 4}
        ),
        # All or nothing at 1 % success: resets bring first rewards sooner (docs/study-0.1.0.md).
        # One pass over each update's episodes: with four, both runs learn too fast to tell apart.
        Story(
            "reset",
            "strict",
            "reset_prob",
            (0.0, 0.5),
            {"updates": 40, **CRITIC, "num_ppo_epochs": 1},
        ),
    )
}


def demo_config(task: str = "tldr", **overrides: Any) -> RunConfig:  # noqa: ANN401
    """Settings of a demo run; any of them may be given otherwise.

    Raises:
        ConfigError: There is no such task, or a setting is wrong.
        DataError: The sample material is not there.
        ModelError: The task's model was not added to this workspace.
    """
    if task not in TASKS:
        raise ConfigError(f"The demo's tasks are {', '.join(TASKS)}; got {task!r}.")
    found = TASKS[task]
    paths = found.paths(task)
    if found.model and not added_models.is_added(found.model):
        steps = " and ".join(f"`{step}`" for step in HOW_TO_ADD.splitlines())
        raise ModelError(
            f"The model {found.model} is not in this workspace; {steps} bring it, once."
        )
    missing = [path for path in paths.values() if not path.exists()]
    if missing:
        raise DataError(f"{missing[0]} is missing; `{found.made_by}` makes the material of {task}.")
    settings = {name: str(path) for name, path in paths.items()} | COMMON | dict(found.settings)
    # A method asked for by name goes before what the task sets by itself.
    return RunConfig.of(**{"name": f"demo {task}", **settings, **in_settings(overrides)})
