"""What a number format sees of one optimiser step: its log-ratios, against float32's."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from benchmarks.gpu.subject import Row
from benchmarks.gpu.update import Nobody
from drpo.config.run_config import RunConfig
from drpo.data.run_data import RunData, load_run_data
from drpo.modeling.forward_pass import Precision
from drpo.modeling.models import load_models
from drpo.rl.batches import prepare_episodes
from drpo.rl.experience import collect
from drpo.rl.metrics import Clock
from drpo.rl.micro_batches import MicroBatch, micro_batch
from drpo.rl.scoring import action_log_probs
from drpo.runs.demo import demo_config

FORMATS = ("bfloat16", "float16")
CASES = (("all weights", 0, 3e-6), ("LoRA 8", 8, 3e-6), ("LoRA 8", 8, 1e-4))
"""What is trained, the rank of its adapters, and Adam's step size."""


def compare_formats(device: torch.device, cases: Sequence[tuple[str, int, float]]) -> Iterator[Row]:
    """Train the `tldr` sample policy by one step in each format; yield a row for each.

    The true log-ratio is that of the same weights in float32. The frozen weights below adapters are
    in the format, as a run has them.
    """
    for what, rank, size in cases:
        for name in FORMATS:
            config = demo_config("tldr", seed=0, updates=1, device=str(device)).replace(
                dtype=name,
                lora_rank=rank,
                learning_rate=size,
                advantage="rloo",
                group_size=2,
                episodes_per_update=16,
            )
            yield {
                "kind": "format",
                "trained": what,
                "step_size": size,
                "format": name,
                **_step(config, load_run_data(config, None)),
            }


def _step(config: RunConfig, data: RunData) -> dict[str, float]:
    models = load_models(config, gold=data.gold)
    episodes = prepare_episodes(models, data.train, config, observer=Nobody())
    drawn = collect(models, episodes, config, 0, config.reset.reset_prob, Clock()).rollout
    part = micro_batch(drawn, list(range(len(drawn.tokens))))
    half, whole = models.precision, Precision(models.precision.device)
    before = _logs(models.policy, part, half), _logs(_whole(models.policy), part, whole)
    drawn_once = torch.Generator().manual_seed(0)
    advantages = torch.randn(len(part.at), generator=drawn_once).to(half.device)
    trained = list(models.trained().values())
    scale = half.loss_scales(len(part.at))[0]
    loss = -(action_log_probs(models.policy, part, half, 1.0) * advantages).mean()
    (loss * scale).backward()  # type: ignore[no-untyped-call]
    for weight in trained:
        if weight.grad is not None:
            weight.grad.div_(scale)
    torch.optim.AdamW(trained, lr=config.ppo.learning_rate, weight_decay=0.0).step()
    got = _logs(models.policy, part, half) - before[0]
    true = _logs(_whole(models.policy), part, whole) - before[1]
    return {
        "correlation": float(torch.corrcoef(torch.stack([got, true]))[0, 1]),
        "true_rms": float(true.square().mean().sqrt()),
        "rms": float(got.square().mean().sqrt()),
    }


def _whole(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model).float()


@torch.no_grad()
def _logs(model: nn.Module, part: MicroBatch, precision: Precision) -> Tensor:
    return action_log_probs(model, part, precision, 1.0).double()
