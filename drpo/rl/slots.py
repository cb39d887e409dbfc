"""Write answers in slots: where one ends, the next begins, and the batch stays full.

Answers end when they like, so a batch that is written to its end waits for its longest. Here a slot
whose answer has ended takes the next row. Contexts are read for many rows at once, between two
steps: into the slots that are free, and into some more where rows wait, their first token drawn,
until a slot is free. Then what was read is copied (`drpo.rl.slot_cache`), which is soon done.

On a GPU a step is one CUDA graph. A model of 24 layers is some 2,000 kernels a token, more than a
processor can start while the card runs them: the card then waits seven parts in eight of the time.
A graph starts them all at once. For that every tensor keeps its place, and choosing a token, noting
it and moving on happen on the device, which is asked now and then what has ended. A slot whose
answer has ended writes on behind it, and that is cut off.

On a processor the same steps run without a graph; asking costs nothing there, and slots that
nobody needs any more are left out of the step. Of 256 answers of a random Llama, 32 at once, that
took 356 calls for 999 in batches and .44 of the processor's seconds; of the `tldr` sample, whose
lengths differ little, 133 for 157 and 1.10 (docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from drpo.modeling.forward_pass import call_at, call_causal, without_adapters
from drpo.rl.sampling import Asked, Contexts, Sampling, choose
from drpo.rl.slot_cache import SlotCache, fits_slots

WARM_UP = 2
"""Steps without a graph, so that libraries have allocated what they need before it is drawn."""


@dataclass(frozen=True)
class Pace:
    """What a device likes."""

    asked_every: int
    """Steps until it is asked which answers have ended: a card then waits for the processor."""
    narrows: bool
    """Whether a step is taken by the slots in use alone, and looks at the columns in use alone."""


CARD = Pace(asked_every=8, narrows=False)
PROCESSOR = Pace(asked_every=1, narrows=True)


def decodes_in_slots(model: nn.Module) -> bool:
    """Return whether a model can decode in slots; see `drpo.rl.slot_cache.fits_slots`."""
    inner = without_adapters(model)
    return isinstance(inner, PreTrainedModel) and fits_slots(inner)


def write_in_slots(
    model: nn.Module, asked: Asked, sampling: Sampling, tick: Callable[[int], None]
) -> list[list[int]]:
    """Write answers, `sampling.batch_size` at once; see `drpo.rl.sampling.Engine`."""
    pace = CARD if asked.noise.device.type == "cuda" else PROCESSOR
    return Slots(model, asked, sampling, pace).write(tick)


def waiting_slots(at_once: int, rows: int) -> int:
    """Return how many slots rows wait in, beside the `at_once` that are written in.

    Each read brings at least so many rows, so that it is worth its price: not drawn as a graph, it
    takes a card as long as some steps, however many contexts it reads.
    """
    return max(0, min(-(-at_once // 2), rows - at_once))


class Slots:
    """Decodes rows in slots; tensors with a number for each have their size from the start.

    The first `count` slots are written in; rows wait in the others. A slot without a row counts as
    ended.
    """

    def __init__(self, model: nn.Module, asked: Asked, sampling: Sampling, pace: Pace) -> None:
        self.model, self.asked, self.sampling, self.pace = model, asked, sampling, pace
        device = self.device = asked.noise.device
        rows, most = len(asked.rooms), max(asked.rooms)
        self.count = self.used = min(sampling.batch_size, rows)
        """Slots that are written in, and how many of them take part in a step: the first ones."""
        self.begun = 0
        """Rows whose context has been read."""
        # One column more than any row may fill: where ended ones go on drawing.
        self.noise = nn.functional.pad(asked.noise[:, :most], (0, 1))
        self.chosen = torch.full((rows, most + 1), sampling.pad, device=device)
        self.rooms = torch.tensor(asked.rooms, device=device)
        slots = self.count + waiting_slots(self.count, rows)
        self.row, self.at, self.tokens, self.positions = (
            torch.zeros(slots, dtype=torch.long, device=device) for _ in range(4)
        )
        self.ended = torch.ones(slots, dtype=torch.bool, device=device)
        width = max(len(c) + room for c, room in zip(asked.contexts, asked.rooms, strict=True))
        inner: PreTrainedModel = without_adapters(model)
        self.cache = SlotCache(inner, self.positions, width)
        self._graph: torch.cuda.CUDAGraph | None = None
        self.steps = 0
        """Steps taken: calls of the model for one token of every slot."""

    def write(self, tick: Callable[[int], None]) -> list[list[int]]:
        """Write all answers."""
        while True:
            left = self._left()
            self._arrange(left)
            if self.begun < len(self.asked.rooms) and 0 in left[: self.count]:
                tick(self.begun - sum(map(bool, left)))
                self._read([slot for slot, tokens in enumerate(left) if not tokens])
            elif any(left):
                self._go(min(self.pace.asked_every, max(left)))
            else:
                tick(self.begun)
                return self._cut()

    def _left(self) -> list[int]:
        """Return how many tokens each slot may yet write at most; the device has to catch up."""
        left: list[int] = torch.where(self.ended, 0, self.rooms[self.row] - self.at).tolist()
        return left

    def _arrange(self, left: list[int]) -> None:
        """Let rows that wait take slots that are free, and the last ones close the gaps.

        Args:
            left: Tokens that each slot may yet write; changed to what is so afterwards.
        """
        free = [slot for slot in range(self.count) if not left[slot]]
        waiting = [slot for slot in range(self.count, len(left)) if left[slot]]
        moves = list(zip(waiting, free, strict=False))
        gaps = free[len(moves) :]
        if self.pace.narrows:
            self.used = self.count - len(gaps)
            last = [slot for slot in range(self.used, self.count) if left[slot]]
            moves += zip(last, gaps, strict=False)
        if not moves:
            return
        sources, targets = torch.tensor(moves, device=self.device).T
        for each in (self.row, self.at, self.tokens, self.positions, self.ended):
            each[targets] = each[sources]
        self.ended[sources] = True
        self.cache.move(sources, targets)
        for source, target in moves:
            left[target], left[source] = left[source], 0

    def _read(self, free: Sequence[int]) -> None:
        """Read the contexts of the next rows, each distinct one once, and draw the first tokens."""
        rows = range(self.begun, len(self.asked.rooms))[: min(len(free), self.count)]
        contexts = [self.asked.contexts[row] for row in rows]
        read = Contexts.of(contexts, self.sampling.pad, self.device, pad_behind=True)
        row = torch.tensor(rows, device=self.device)
        slots = torch.tensor(free[: len(rows)], device=self.device)
        lengths = read.real.sum(dim=1)
        ends = torch.arange(len(lengths), device=self.device) * read.tokens.shape[1] + lengths - 1
        with self.cache.reading(slots, read.of_row):
            logits = call_at(self.model, read.tokens, ends, self.cache)
        if self.begun == 0:
            self.stops = torch.zeros(logits.shape[1], dtype=torch.bool, device=self.device)
            self.stops[list(self.sampling.stops)] = True
        drawn = choose(logits[read.of_row], self.noise[row, 0], self.sampling.temperature)
        self.chosen[row, 0] = drawn
        self.row[slots], self.at[slots], self.tokens[slots] = row, 1, drawn
        self.positions[slots] = lengths[read.of_row]
        self.ended[slots] = self.stops[drawn] | (self.rooms[row] <= 1)
        self.begun = rows.stop

    def _step(self) -> None:
        """Read the tokens drawn last, and draw the next; no tensor moves."""
        logits = call_causal(
            self.model,
            self.tokens[: self.used, None],
            self.cache.seen(),
            self.positions[: self.used, None],
            keep=1,
            past_key_values=self.cache,
            use_cache=True,
        )
        self._draw(logits[:, -1])

    def _draw(self, logits: Float[Tensor, "used vocab"]) -> None:
        """Draw a token for each slot; those that have ended stay where they are."""
        row, at, ended = (each[: self.used] for each in (self.row, self.at, self.ended))
        drawn = choose(logits, self.noise[row, at], self.sampling.temperature)
        self.chosen[row, at] = drawn
        self.tokens[: self.used] = drawn
        goes_on = ~ended
        at.add_(goes_on)
        self.positions[: self.used].add_(goes_on)
        ended.logical_or_(self.stops[drawn]).logical_or_(at >= self.rooms[row])

    def _go(self, steps: int) -> None:
        """Take some steps."""
        reach = int(self.positions[: self.used].max()) + steps if self.pace.narrows else None
        self.cache.look_at(self.used, reach)
        for _ in range(steps):
            if self.device.type == "cuda" and self.steps == WARM_UP:
                self._graph = self._drawn_step()
            self.steps += 1
            if self._graph is None:
                self._step()
            else:
                self._graph.replay()

    def _drawn_step(self) -> torch.cuda.CUDAGraph:
        """Draw a step as a graph, without taking it."""
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize(self.device)
        with torch.cuda.device(self.device), torch.cuda.graph(graph):
            self._step()
        return graph

    def _cut(self) -> list[list[int]]:
        """Return each row's tokens up to its end or its room."""
        stops, found = set(self.sampling.stops), []
        for row, room in zip(self.chosen.tolist(), self.asked.rooms, strict=True):
            ends = [at for at, token in enumerate(row[:room]) if token in stops]
            found.append(row[: ends[0] + 1 if ends else room])
        return found
