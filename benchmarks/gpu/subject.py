"""One shape of model: every measurement of it, each on its own, so that one that fails is a row."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch

import drpo
from benchmarks.gpu.ceilings import Ceilings
from benchmarks.gpu.material import Shape, make_models, make_pairs, write_pairs
from benchmarks.gpu.profile import profile
from benchmarks.gpu.slots import WAYS, Mixed
from benchmarks.gpu.update import Drawn, draw, improve, learning_rates, writing_rates
from drpo.modeling.dropout import settle
from drpo.modeling.models import Models, load_models
from drpo.rl.checkpoint import TrainState
from drpo.runs.estimate import estimate_run

GIB = 2**30
Row = dict[str, str | float | int | bool]
"""What was measured and what came of it; `error` where nothing did, `peak_gib` always."""


@dataclass(frozen=True)
class Sizes:
    """How long answers are, and how many episodes are in memory at once."""

    short: int = 53
    long: int = 256
    most: int = 32
    few: int = 8
    episodes: int = 64
    pairs: int = 128
    prompt: tuple[int, int] = (192, 320)
    many: int = 512
    """Rows whose answers end anywhere, written in twice `most` slots."""


QUICK = Sizes(4, 12, 4, 2, 8, 16, (8, 16), 40)
"""For a processor."""


@dataclass
class Subject:
    """A shape's models, loaded as a run loads them, and what was measured of them."""

    shape: Shape
    models: Models
    config: drpo.RunConfig
    pairs: list[drpo.Pair]
    ceilings: Ceilings
    until: float
    """No measurement begins after this moment of the monotonic clock."""
    rows: list[Row] = field(default_factory=list)
    drawn: dict[int, Drawn] = field(default_factory=dict)
    """By answer length, for the cases that learn from the same episodes."""

    def attempt(self, kind: str, about: Row, act: Callable[[], Row]) -> None:
        """Measure something; whatever happens becomes a row."""
        row: Row = {"kind": kind, "shape": self.shape.name, **about}
        self.rows.append(row)
        if time.monotonic() > self.until:
            row["error"] = "not tried: out of time"
            return
        device = self.models.precision.device
        clear(device)
        try:
            row |= act()
        except torch.OutOfMemoryError:
            row["error"] = "out of memory"
        except Exception as error:
            row["error"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        row["peak_gib"] = peak(device) / GIB
        print(row, flush=True)

    def write(self, answer: int, width: int, note: str = "") -> None:
        """Draw the episodes of an update, and keep them to learn from."""
        config = self.config.replace(
            response_length=answer, micro_batch_size=width, rollout_batch_size=width
        )

        def act() -> Row:
            drawn = draw(self.models, self.pairs, config)
            self.drawn[answer] = drawn
            return {**writing_rates(self.models, self.shape, self.ceilings, drawn, width)}

        self.attempt("rollout", {"answer": answer, "width": width, "note": note}, act)

    def learn(
        self, answer: int, micro: int, advantage: str = "gae", *, again: bool = False
    ) -> None:
        """Score drawn episodes and learn from them, one pass.

        Args:
            answer: Which episodes.
            micro: Episodes in memory at once.
            advantage: What they are held against.
            again: Whether activations are recomputed; the models must have been told.
        """
        config = self.config.replace(
            response_length=answer,
            micro_batch_size=micro,
            advantage=advantage,
            gradient_checkpointing=again,
        )
        models = self.models if advantage == "gae" else replace(self.models, critic=None)

        def act() -> Row:
            if answer not in self.drawn:
                raise RuntimeError("its episodes could not be drawn")
            drawn = self.drawn[answer].experience
            took = improve(models, drawn, TrainState.begin(models, config), config)
            found = learning_rates(models, self.shape, self.ceilings, drawn, took)
            return {**found, **{f"{name}_seconds": value for name, value in took.items()}}

        about: Row = {"answer": answer, "micro": micro, "advantage": advantage, "recompute": again}
        plan = estimate_run(config)
        about |= {
            "estimate_gib": plan.memory_bytes / GIB,
            "estimate_seconds": plan.seconds_per_update,
        }
        self.attempt("update", about, act)


def clear(device: torch.device) -> None:
    """Give back what nobody refers to, and count the peak anew."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak(device: torch.device) -> float:
    """Most bytes that tensors took since `clear`."""
    return float(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else 0.0


def load_subject(
    shape: Shape, folder: Path, device: torch.device, ceilings: Ceilings, until: float, sizes: Sizes
) -> Subject:
    """Make a shape's models, and load them as a run does: LoRA 16, bfloat16, a critic."""
    began = time.perf_counter()
    place = folder / shape.name.replace(" ", "-")
    policy, reward = make_models(shape, place, device, torch.bfloat16)
    made = time.perf_counter()
    pairs = make_pairs(sizes.pairs, shape, sizes.prompt, (sizes.short, sizes.short))
    config = drpo.RunConfig.of(
        data=str(write_pairs(pairs, place / "pairs.jsonl")),
        policy=str(policy),
        reward_model=str(reward),
        device=str(device),
        dtype="bfloat16",
        lora_rank=16,
        # Every answer is drawn from its first token, and hardly one in thousands ends before the
        # limit: so many tokens, whatever the seed.
        reset_prob=0.0,
        episodes_per_update=sizes.episodes,
        micro_batch_size=sizes.most,
        num_ppo_epochs=1,
        critic_warmup_steps=0,
    )
    models = load_models(config)
    subject = Subject(shape, models, config, pairs, ceilings, until)
    subject.rows.append(
        {
            "kind": "load",
            "shape": shape.name,
            "made_seconds": made - began,
            "seconds": time.perf_counter() - made,
            "parameters": sum(w.numel() for w in models.policy.parameters()),
            "trained": sum(w.numel() for w in models.policy.parameters() if w.requires_grad),
        }
    )
    return subject


def measure(subject: Subject, sizes: Sizes, *, first: bool) -> None:
    """Fill the subject's rows, ordered by worth.

    Args:
        subject: What is measured.
        sizes: How large.
        first: Whether this is the first shape, which answers what one shape answers for all: where
            time goes, what an update without a critic takes.
    """
    models = subject.models
    subject.attempt("warm-up", {}, lambda: warm_up(subject))
    subject.write(sizes.short, sizes.most)
    for micro in (sizes.most, sizes.few):
        subject.learn(sizes.short, micro)
    # More rows at once is what a GPU is for.
    subject.write(sizes.long, 2 * sizes.most)
    for micro in (sizes.few, sizes.most):
        subject.learn(sizes.long, micro)
    assert models.critic is not None, "loaded with a critic"
    if first:
        models.critic.cpu()  # an update without a critic has none in memory
        subject.learn(sizes.short, sizes.most, "rloo")
        models.critic.to(models.precision.device)
        subject.attempt("profile", {}, lambda: profiled(subject, sizes))
        mixed(subject, sizes)
    # These draw other episodes: rounding differs with the width, and with what is merged.
    kept = dict(subject.drawn)
    subject.write(sizes.short, 2 * sizes.most)
    subject.attempt("merge", {}, lambda: merge(subject))
    subject.write(sizes.short, sizes.most, note="adapters merged")
    models.policy.unmerge_adapter()  # type: ignore[operator]
    if first:
        torch.backends.cuda.enable_cudnn_sdp(enabled=True)
        subject.write(sizes.short, sizes.most, note="cuDNN's attention")
        torch.backends.cuda.enable_cudnn_sdp(enabled=False)
    subject.drawn = kept
    for module in (models.policy, models.critic):
        settle(module, checkpointing=True)
    for answer in (sizes.short, sizes.long):
        subject.learn(answer, sizes.most, again=True)


def mixed(subject: Subject, sizes: Sizes) -> None:
    """Write answers that end anywhere, in every way that their slots may be filled."""
    asked = Mixed.of(
        subject.shape,
        rows=sizes.many,
        slots=2 * sizes.most,
        answer=sizes.long,
        prompt=sizes.prompt,
        device=subject.models.precision.device,
    )
    for name, way in WAYS.items():
        subject.attempt("slots", {"way": name}, partial(asked.write, subject.models, way))


def warm_up(subject: Subject) -> Row:
    """Let libraries load and choose their kernels, on a few short episodes."""
    few = subject.config.replace(response_length=4, episodes_per_update=4)
    drawn = draw(subject.models, subject.pairs, few)
    improve(subject.models, drawn.experience, TrainState.begin(subject.models, few), few)
    return {}


def merge(subject: Subject) -> Row:
    """Add the adapters to the weights that they belong to, as a rollout could."""
    began = time.perf_counter()
    subject.models.policy.merge_adapter()  # type: ignore[operator]
    return {"seconds": time.perf_counter() - began}


def profiled(subject: Subject, sizes: Sizes) -> Row:
    """Where the time goes while writing some tokens, and while learning from short answers."""
    models, tokens = subject.models, min(24, sizes.short)
    brief = subject.config.replace(response_length=tokens, episodes_per_update=sizes.most)
    config = subject.config.replace(micro_batch_size=sizes.few)
    drawn = subject.drawn[sizes.short].experience
    state = TrainState.begin(models, config)
    device = models.precision.device
    return {
        **profile("rollout", device, lambda: draw(models, subject.pairs, brief)),
        **profile("learning", device, lambda: improve(models, drawn, state, config)),
        "rollout_tokens": tokens,
    }
