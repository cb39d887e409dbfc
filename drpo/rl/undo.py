"""Giving an update up in the middle: weights, optimiser and the critic's units as they were."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from drpo.modeling.models import Models


@dataclass(frozen=True)
class Undo:
    """What an update changes of models and optimiser, as it was before."""

    weights: dict[nn.Parameter, Tensor]
    moments: dict[nn.Parameter, dict[str, Tensor]]
    statistics: tuple[Tensor, Tensor] | None

    @classmethod
    def of(cls, models: Models, optimizer: torch.optim.Optimizer) -> Undo:
        """Copy what may change: three times the trained weights."""
        trained = list(models.trained().values())
        critic = models.critic
        return cls(
            {weight: weight.detach().clone() for weight in trained},
            {
                weight: {name: value.clone() for name, value in optimizer.state[weight].items()}
                for weight in trained
                if weight in optimizer.state
            },
            None if critic is None else (critic.mean.clone(), critic.spread.clone()),
        )

    @torch.no_grad()
    def restore(self, models: Models, optimizer: torch.optim.Optimizer) -> None:
        """Put everything back, bit for bit."""
        optimizer.zero_grad(set_to_none=True)
        for weight, was in self.weights.items():
            weight.copy_(was)
            if weight in self.moments:
                optimizer.state[weight] = self.moments[weight]
            else:
                optimizer.state.pop(weight, None)
        if models.critic is not None and self.statistics is not None:
            models.critic.mean.copy_(self.statistics[0])
            models.critic.spread.copy_(self.statistics[1])
