"""Answers that end anywhere: what it saves to fill a slot again, and how often to ask a card."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace

import torch

from benchmarks.gpu.ceilings import synchronize
from benchmarks.gpu.material import END, PAD, Shape
from drpo.modeling.models import Models
from drpo.rl.sampling import Asked, Sampling
from drpo.rl.slots import CARD, Pace, Slots


@dataclass(frozen=True)
class Way:
    """How slots are filled."""

    pace: Pace = CARD
    again: bool = True
    """Whether an ended row's slot takes the next row, or all wait for the last of a batch."""


WAYS = {
    "batch after batch": Way(again=False),
    f"again, asked every {CARD.asked_every} steps": Way(),
    "again, asked every 2 steps": Way(replace(CARD, asked_every=2)),
    "again, asked every 32 steps": Way(replace(CARD, asked_every=32)),
}


@dataclass(frozen=True)
class Mixed:
    """Rows, and how they are drawn."""

    asked: Asked
    sampling: Sampling

    @classmethod
    def of(
        cls,
        shape: Shape,
        *,
        rows: int,
        slots: int,
        answer: int,
        prompt: tuple[int, int],
        device: torch.device,
    ) -> Mixed:
        """Make random contexts whose answers end by lot: after half the limit in the mean.

        Random weights draw tokens nearly evenly, so it is enough to name so many as ends.
        """
        draw, generator = random.Random(0), torch.Generator().manual_seed(0)
        words = range(2, shape.vocabulary)
        contexts = [draw.choices(words, k=draw.randint(*prompt)) for _ in range(rows)]
        contexts.sort(key=len, reverse=True)
        noise = torch.rand(rows, answer, generator=generator, dtype=torch.float64)
        stops = tuple(range(END, END + max(1, 2 * shape.vocabulary // answer)))
        asked = Asked(contexts, [answer] * rows, noise.to(device))
        return cls(asked, Sampling(answer, 1.0, stops, PAD, slots))

    def write(self, models: Models, way: Way) -> dict[str, str | float | int | bool]:
        """Write all answers; returns tokens, steps and seconds."""
        device, at_once = self.asked.noise.device, self.sampling.batch_size
        rows = len(self.asked.rooms)
        size = rows if way.again else at_once
        steps, written = 0, 0
        synchronize(device)
        began = time.perf_counter()
        for begin in range(0, rows, size):
            part = self.asked.part(slice(begin, begin + size))
            with torch.no_grad(), models.precision.autocast():
                slots = Slots(models.policy, part, self.sampling, way.pace)
                written += sum(map(len, slots.write(lambda _: None)))
            steps += slots.steps
        synchronize(device)
        seconds = time.perf_counter() - began
        return {
            "rows": rows,
            "slots": at_once,
            "written": written,
            "least_steps": (written - rows) / at_once,
            "steps": steps,
            "seconds": seconds,
            "tokens_per_s": written / seconds,
        }
