"""Some episodes as one rectangle for a forward pass, with hardly any padding in it.

Layout of a `MicroBatch`. Rows begin in the first column, whatever their context, and padding
stands behind them only:

    [prompt prefix chosen chosen]
    [prompt chosen chosen pad pad]

Rows of like total length so fill a rectangle, however deep each was reset. Nothing of a row comes
after its padding, so a causal model needs no mask and no positions. A row's last token predicts
nothing that was chosen and is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from drpo.modeling.cuts import cut_by_length
from drpo.rl.rollout import Rollout


@dataclass(frozen=True)
class MicroBatch:
    """Episodes of a rollout; see the module's drawing. `chosen` counts all rows' tokens."""

    tokens: Int[Tensor, "batch length"]
    at: Int[Tensor, " chosen"]
    """Where in the flattened rectangle the token stands that each chosen one follows."""
    actions: Int[Tensor, " chosen"]
    """The chosen tokens, row after row."""
    acted: Bool[Tensor, "batch time"]
    """The same tokens as places of a rectangle in which every row's first choice is in column 0."""

    def by_row(self, values: Float[Tensor, " chosen"]) -> Float[Tensor, "batch time"]:
        """Lay one value a chosen token out as `acted` does, 0 elsewhere."""
        empty = torch.zeros(self.acted.shape, dtype=values.dtype, device=values.device)
        return empty.masked_scatter(self.acted, values)


def micro_batch(rollout: Rollout, rows: Sequence[int]) -> MicroBatch:
    """Take some rows of a rollout together, their padding trimmed away."""
    real, tokens, acted = rollout.real[rows], rollout.tokens[rows], rollout.acted[rows]
    begins = real.long().argmax(dim=1, keepdim=True)
    width, time = int(real.sum(dim=1).max()) - 1, int(acted.sum(dim=1).max())
    device = tokens.device
    columns = begins + torch.arange(width, device=device)
    last = rollout.context - 1 - begins  # of each row's context, in its new place
    at = last + torch.arange(time, device=device)
    at = at + width * torch.arange(len(rows), device=device)[:, None]
    acted = acted[:, :time]
    return MicroBatch(
        tokens.gather(1, columns.clamp(max=tokens.shape[1] - 1)),
        at[acted],
        rollout.actions[rows][:, :time][acted],
        acted,
    )


def micro_batch_of(rows: Sequence[tuple[Sequence[int], int]], device: torch.device) -> MicroBatch:
    """Lay rows of data out, each with the place at which its answer begins."""
    width = max(max(len(ids) for ids, _ in rows) - 1, 1)
    # What pads is read by no token that counts.
    tokens = torch.zeros(len(rows), width, dtype=torch.long)
    at: list[int] = []
    actions: list[int] = []
    # The first token of a row follows nothing that could predict it.
    begins = [max(start, 1) for _, start in rows]
    time = max(max(len(ids) - begin for (ids, _), begin in zip(rows, begins, strict=True)), 0)
    acted = torch.zeros(len(rows), time, dtype=torch.bool)
    for row, ((ids, _), begin) in enumerate(zip(rows, begins, strict=True)):
        tokens[row, : len(ids) - 1] = torch.tensor(ids[:-1], dtype=torch.long)
        at += range(row * width + begin - 1, row * width + len(ids) - 1)
        actions += ids[begin:]
        acted[row, : len(ids) - begin] = True
    return MicroBatch(
        tokens.to(device),
        torch.tensor(at, dtype=torch.long, device=device),
        torch.tensor(actions, dtype=torch.long, device=device),
        acted.to(device),
    )


def by_length(
    rollout: Rollout, size: int, rows: Iterable[int] | None = None, *, ranks: int = 1
) -> list[list[int]]:
    """Cut rows of a rollout, all where None, into micro-batches that hold little padding.

    Several ranks share each micro-batch, whose `size` is what one of them holds at once.
    """
    lengths = rollout.real.sum(dim=1).tolist()
    return cut_by_length(lengths, size, rows, device=rollout.tokens.device.type, ranks=ranks)


def padding_share(rollout: Rollout, chunks: Iterable[Sequence[int]]) -> float:
    """Return which share of the positions of some micro-batches is padding, in [0, 1)."""
    lengths = (rollout.real.sum(dim=1) - 1).tolist()
    computed = wanted = 0
    for rows in chunks:
        computed += len(rows) * max(lengths[row] for row in rows)
        wanted += sum(lengths[row] for row in rows)
    return 1 - wanted / computed if computed else 0.0
