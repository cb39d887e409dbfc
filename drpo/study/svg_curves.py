"""Learning curves with bands, as SVG: small, sharp, and readable in any theme."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Place = Callable[[float, float], tuple[float, float]]
"""From data to pixels."""

COLOURS = ("#5A6672", "#0072B2", "#009E73", "#E69F00", "#CC79A7", "#D55E00")
"""Okabe-Ito; the first, grey, is for the arm without resets."""
DASHES = ("6 4", "", "2 3", "8 3 2 3", "12 4", "1 2")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 360, 64, 128, 36, 48


@dataclass(frozen=True)
class Curve:
    """Mean over seeds with a band of one standard error."""

    label: str
    x: Floats
    mean: Floats
    error: Floats


def curve(label: str, x: Sequence[Floats], y: Sequence[Floats]) -> Curve:
    """Average several seeds on the points that all of them have."""
    count = min(len(one) for one in y)
    stacked = np.stack([one[:count] for one in y])
    spread = stacked.std(axis=0, ddof=1) if len(y) > 1 else np.zeros(count)
    return Curve(label, x[0][:count], stacked.mean(axis=0), spread / np.sqrt(len(y)))


def figure(title: str, x_title: str, y_title: str, curves: Sequence[Curve]) -> str:
    """Draw curves; labels stand at their ends, moved apart where they would touch."""
    lowest, step = _scale(
        min(float((c.mean - c.error).min()) for c in curves),
        max(float((c.mean + c.error).max()) for c in curves),
    )
    widest = max(float(c.x[-1]) for c in curves) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - RIGHT) * x / widest
        return across, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - lowest) / (4 * step)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="13" role="img" aria-label="{html.escape(title)}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="20" font-size="15" font-weight="600">{html.escape(title)}</text>',
        *_axes(x_title, y_title, widest, [lowest + step * part for part in range(5)], place),
    ]
    ends = _apart({c.label: place(float(c.x[-1]), float(c.mean[-1]))[1] for c in curves})
    for index, one in enumerate(curves):
        colour = COLOURS[index % len(COLOURS)]
        # With more arms than colours the dashes go on by one, so that no two curves look alike.
        dash = DASHES[(index + index // len(COLOURS)) % len(DASHES)]
        low = [place(x, max(lowest, y)) for x, y in zip(one.x, one.mean - one.error, strict=True)]
        high = [place(x, y) for x, y in zip(one.x, one.mean + one.error, strict=True)]
        line = [place(x, y) for x, y in zip(one.x, one.mean, strict=True)]
        parts += [
            f'<polygon points="{_points([*high, *low[::-1]])}" fill="{colour}" opacity=".15"/>',
            f'<polyline points="{_points(line)}" fill="none" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{dash}"/>',
            f'<text x="{WIDTH - RIGHT + 8}" y="{ends[one.label] + 4:.1f}" fill="{colour}">'
            f"{html.escape(one.label)}</text>",
        ]
    return "\n".join([*parts, "</svg>", ""])


def _scale(low: float, high: float) -> tuple[float, float]:
    """Where an axis begins, and a round step of which four hold all values.

    It begins at 0 unless that would leave more than half of it empty.
    """
    low = 0.0 if low < high / 2 else low
    power = 10.0 ** math.floor(math.log10(max(high - low, 1e-9)) - 1)
    for digit in (1, 2, 2.5, 5, 10, 20, 25, 50, 100):
        step = digit * power
        begin = math.floor(low / step) * step
        if begin + 4 * step >= high:
            return begin, step
    raise AssertionError  # a hundred times a tenth of the range holds it


def _axes(
    x_title: str, y_title: str, widest: float, levels: Sequence[float], place: Place
) -> list[str]:
    parts = []
    for level, share in zip(levels, (0, 0.25, 0.5, 0.75, 1), strict=True):
        x, bottom = place(widest * share, levels[0])
        left, y = place(0, level)
        parts += [
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e3e8ee"/>',
            f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#566270">'
            f"{level:.4g}</text>",
            f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle" fill="#566270">'
            f"{widest * share:,.0f}</text>",
        ]
    parts.append(
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end" fill="#566270">'
        f"{html.escape(x_title)}</text>"
    )
    parts.append(
        f'<text x="{WIDTH - 8}" y="20" text-anchor="end" fill="#566270">'
        f"{html.escape(y_title)}</text>"
    )
    return parts


def _apart(heights: Mapping[str, float], gap: float = 17.0) -> dict[str, float]:
    """Move labels apart, downwards in the order of their heights."""
    placed: dict[str, float] = {}
    last = -1e9
    for label, height in sorted(heights.items(), key=lambda item: item[1]):
        last = max(height, last + gap)
        placed[label] = last
    over = max(0.0, last - (HEIGHT - BOTTOM))
    return {label: height - over for label, height in placed.items()}


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
