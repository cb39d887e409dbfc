"""Which runs the study is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from drpo.config.reset_methods import METHODS
from drpo.config.run_config import RunConfig
from drpo.runs.demo import SAMPLES, demo_config

RESET_PROBS = (0.0, 0.25, 0.5, 0.75, 1.0)
STARTS = (0.002, 0.01, 0.03, 0.1)
"""Success of the start policy; 1 % is the sample material's own."""
SEEDS = 5
START_SEEDS = 3

STRICT: dict[str, Any] = {
    "task": "strict",
    "advantage": "gae",
    "reward_source": "gold",
    "num_ppo_epochs": 1,
    "updates": 50,
}
"""The true reward itself: the question is exploration, so no reward model may answer it. One pass
over each update's episodes, which keeps the policy closer to the one that drew them; `passes` asks
what becomes of the answer with the usual number."""
PASSES = 4
TLDR: dict[str, Any] = {"task": "tldr", "advantage": "gae", "updates": 30}
ANNEALED: dict[str, Any] = {"reset_prob": 0.5, "reset_schedule": "adaptive"}
TUNED: dict[str, Any] = {
    "sft_learning_rate": 3e-4,
    "sft_batch_size": 32,
    "dpo_epochs": 1.0,
    "dpo_learning_rate": 1e-4,
    "dpo_batch_size": 32,
}
"""Step sizes at which a model of under a million parameters learns from 8,000 pairs. SFT makes one
pass; DPO begins where PPO and DR-PO do, at the start policy, so no SFT comes before it."""


LADDER = ("lock", "addition", "parity")
FOOTING: dict[str, Any] = {
    "advantage": "rloo",
    "group_size": 8,
    "reset_draws": 1024,
    # Every held-out answer is kept: intervals are over prompts as well as seeds.
    "sample_prompts": 200,
}
"""What all arms of the ladder share, beside their name: where episodes start is the question, so
every method is given the same groups, whatever its paper took."""
UPDATES = {"lock": 60, "addition": 40, "parity": 160}
IMITATION: dict[str, Any] = {"sft_learning_rate": 1e-3, "sft_batch_size": 32}
SHARES = {"lock": (0.25, 0.75, 1.0), "addition": (0.25, 0.75, 1.0), "parity": (1.0,)}
"""DR-PO's other reset probabilities; its own is .5. Parity's runs are the longest, so it is asked
for resets alone, as AdaBack has them."""
GRIDS = ("strict", "tldr")
"""Tasks on which DR-PO's reset probability alone differs, by arms named `p` and its value."""
FAULTY = ("noisy", "other")
"""Demonstrations that are not all right: with faults here and there, and of another policy that is
right up to some place and then at a loss."""
SHOWN_TO = {"lock": ("drpo", "adaback"), "addition": ("drpo", "adaback"), "parity": ("adaback",)}
"""Who is reset into them, by task: uniformly and by prompt; on parities nothing comes of half."""


@dataclass(frozen=True)
class Planned:
    """One run of the study."""

    experiment: str
    arm: str
    seed: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    start: float | None = None
    """Success of the start policy where it is not the sample material's own."""

    @property
    def story(self) -> str:
        """How the run is found again in the store."""
        return f"study:{self.experiment}:{self.arm}:{self.seed}"

    def config(self, policies: Path) -> RunConfig:
        """The run's settings.

        Args:
            policies: Where further start policies are.
        """
        settings = dict(self.settings)
        task = settings.pop("task")
        if self.start is not None:
            settings["policy"] = str(policies / start_name(self.start))
        name = f"study {self.experiment} {self.arm} seed {self.seed}"
        return demo_config(task, **{"name": name, "seed": self.seed, **settings})


def start_name(success: float) -> str:
    """The folder of a start policy by its success, as `start-0.03`."""
    return f"start-{success:g}"


def strict(seeds: int = SEEDS) -> list[Planned]:
    """All-or-nothing reward, five reset probabilities, and annealing."""
    grid = [
        Planned("strict", f"p{prob:g}", seed, {**STRICT, "reset_prob": prob})
        for seed in range(seeds)
        for prob in RESET_PROBS
    ]
    return grid + [
        Planned("strict", "annealed", seed, {**STRICT, **ANNEALED}) for seed in range(seeds)
    ]


def tldr(seeds: int = SEEDS) -> list[Planned]:
    """Graded reward learned from the pairs, the same grid; p0 is PPO."""
    return [
        Planned("tldr", f"p{prob:g}", seed, {**TLDR, "reset_prob": prob})
        for seed in range(seeds)
        for prob in RESET_PROBS
    ]


def start(seeds: int = START_SEEDS) -> list[Planned]:
    """Where resets stop to pay: other start policies; those at 1 % are the strict grid's."""
    arms: dict[str, dict[str, Any]] = {
        "p0": {"reset_prob": 0.0},
        "p0.5": {"reset_prob": 0.5},
        "annealed": ANNEALED,
    }
    return [
        Planned("start", f"{success:g}-{arm}", seed, {**STRICT, **settings}, start=success)
        for seed in range(seeds)
        for success in STARTS
        if success != 0.01
        for arm, settings in arms.items()
    ]


def passes(seeds: int = START_SEEDS) -> list[Planned]:
    """The strict grid's main arms with more passes over each update's episodes."""
    return [
        Planned(
            "passes", f"p{prob:g}", seed, {**STRICT, "num_ppo_epochs": PASSES, "reset_prob": prob}
        )
        for seed in range(seeds)
        for prob in (0.0, 0.5)
    ]


def methods(seeds: int = SEEDS) -> list[Planned]:
    """SFT and DPO beside the graded grid's PPO and DR-PO."""
    return [
        Planned("methods", method, seed, {**TLDR, **TUNED, "method": method})
        for seed in range(seeds)
        for method in ("sft", "dpo")
    ]


def ladder(task: str, seeds: int = SEEDS) -> list[Planned]:
    """Every published way to reset on one of the ladder's tasks, and SFT."""
    arms: dict[str, dict[str, Any]] = {name: {"method": name} for name in METHODS}
    arms |= {f"drpo-{share:g}": {"reset_prob": share} for share in SHARES[task]}
    arms["annealed"] = ANNEALED
    arms["sft"] = {"method": "sft", "sft_epochs": 20.0, **IMITATION}
    arms["sft-ppo"] = {"method": "ppo", "sft_epochs": 20.0, **IMITATION}
    return [
        Planned(task, arm, seed, {"task": task, "updates": UPDATES[task], **FOOTING, **settings})
        for seed in range(seeds)
        for arm, settings in arms.items()
    ]


def demonstrations(seeds: int = SEEDS) -> list[Planned]:
    """The ladder's runs once more, reset into demonstrations that are not all right."""
    return [
        Planned("demonstrations", f"{task}-{kind}-{method}", seed, _shown(task, kind, method))
        for seed in range(seeds)
        for task, methods in SHOWN_TO.items()
        for kind in FAULTY
        for method in methods
    ]


def _shown(task: str, kind: str, method: str) -> dict[str, Any]:
    file = SAMPLES / "files/demonstrations" / f"{task}_{kind}.jsonl.gz"
    learned = {"task": task, "updates": UPDATES[task], **FOOTING, "method": method}
    return {**learned, "demonstrations": str(file), "reset_source": "demonstrations"}


EXPERIMENTS: dict[str, Callable[..., list[Planned]]] = {
    **{task: partial(ladder, task) for task in LADDER},
    "strict": strict,
    "passes": passes,
    "start": start,
    "tldr": tldr,
    "methods": methods,
    "demonstrations": demonstrations,
}


def whole(names: Iterable[str] = EXPERIMENTS, *, seeds: int | None = None) -> list[Planned]:
    """All runs of some experiments, seed by seed, so that a stopped study is balanced."""
    planned = [
        one
        for name in names
        for one in (EXPERIMENTS[name]() if seeds is None else EXPERIMENTS[name](seeds))
    ]
    return sorted(planned, key=lambda one: one.seed)
