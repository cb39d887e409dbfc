"""Many comparisons at once: p-values corrected so that all claims together hold."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values corrected for their number, in their order.

    With each compared to .05, the chance of even one false claim among them is at most .05,
    whatever they have to do with each other. What has no p-value is no comparison and stays None.

    Source: Holm 1979, Scandinavian Journal of Statistics 6(2), 65-70.
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        corrected[place] = largest
    return corrected
