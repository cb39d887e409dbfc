"""Cutting rows of unequal length into rectangles that hold little padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

CALL = {"cpu": 64, "cuda": 2048}
"""What one more rectangle costs beside its positions, in positions: a model's call is not free.

A GPU is done with two thousand positions of a small model before the processor has started the next
rectangle's kernels.
"""


def cut_by_length(
    lengths: Sequence[int],
    size: int,
    rows: Iterable[int] | None = None,
    *,
    tokens: int | None = None,
    device: str = "cpu",
    ranks: int = 1,
) -> list[list[int]]:
    """Cut rows, the shortest first, into rectangles at the least cost.

    The cost of a rectangle is its area, padding included, and `CALL`.

    Args:
        lengths: Tokens of every row.
        size: Most rows of a rectangle.
        rows: Which rows to cut; None means all.
        device: Kind of device that computes them.
        ranks: How many devices share each rectangle's rows; sizes are of one device's share.
        tokens: Largest area of a rectangle; a row that is longer stands alone. None means any.

    Returns:
        The rows of each rectangle; each row stands in one.
    """
    call = CALL.get(device, CALL["cpu"])
    order = sorted(range(len(lengths)) if rows is None else rows, key=lambda r: (lengths[r], r))
    # least[n] is the least cost of the first n rows, cuts[n] where their last rectangle begins.
    least, cuts = [0], [0]
    for end in range(1, len(order) + 1):
        longest = lengths[order[end - 1]]
        most = size if tokens is None else max(1, min(size, tokens // max(1, longest)))
        most *= ranks
        cost, begin = min(
            (least[begin] + (end - begin) * longest + call, begin)
            for begin in range(max(0, end - most), end)
        )
        least.append(cost)
        cuts.append(begin)
    rectangles, end = [], len(order)
    while end:
        rectangles.append(order[cuts[end] : end])
        end = cuts[end]
    return rectangles[::-1]
