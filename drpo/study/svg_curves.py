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
        low = [place(x, max(lowest, y)) for x, y in zip(one.x, one.mean - one.error, strict=True)]
        high = [place(x, y) for x, y in zip(one.x, one.mean + one.error, strict=True)]
        line = [place(x, y) for x, y in zip(one.x, one.mean, strict=True)]
        parts += [
            f'<polygon points="{_points([*high, *low[::-1]])}" fill="{colour}" opacity=".15"/>',
            f'<polyline points="{_points(line)}" fill="none" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{DASHES[index % len(DASHES)]}"/>',
            f'<text x="{WIDTH - RIGHT + 8}" y="{ends[one.label] + 4:.1f}" fill="{colour}">'
            f"{html.escape(one.label)}</text>",
        ]
    return "\n".join([*parts, "</svg>", ""])


COLUMNS, PANEL_WIDTH, PANEL_HEIGHT, PANEL_LEFT, PANEL_TOP, PANEL_BOTTOM = 3, 240, 150, 40, 30, 24


def panels(title: str, x_title: str, y_title: str, control: Curve, others: Sequence[Curve]) -> str:
    """Draw each curve in a small picture of its own, before the same grey control.

    All share both axes: for more curves than one picture can hold.
    """
    every = [control, *others]
    highest = max(float((one.mean + one.error).max()) for one in every)
    lowest, step = _scale(0.0, highest)
    widest = max(float(one.x[-1]) for one in every) or 1.0
    rows = -(-len(others) // COLUMNS)
    width, height = COLUMNS * PANEL_WIDTH, 28 + rows * PANEL_HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="11" role="img" aria-label="{html.escape(title)}">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="8" y="18" font-size="14" font-weight="600">{html.escape(title)}</text>',
        f'<text x="{width - 8}" y="18" text-anchor="end" fill="#566270">'
        f"{html.escape(f'{y_title}, over {x_title}; grey: {control.label}')}</text>",
    ]
    for number, one in enumerate(others):
        left = number % COLUMNS * PANEL_WIDTH
        top = 28 + number // COLUMNS * PANEL_HEIGHT

        def place(x: float, y: float, left: int = left, top: int = top) -> tuple[float, float]:
            room = PANEL_WIDTH - PANEL_LEFT - 12, PANEL_HEIGHT - PANEL_TOP - PANEL_BOTTOM
            across = left + PANEL_LEFT + room[0] * x / widest
            return across, top + PANEL_TOP + room[1] * (1 - (y - lowest) / (4 * step))

        parts += _panel(one, control, widest, (lowest, lowest + 4 * step), place)
    return "\n".join([*parts, "</svg>", ""])


def _panel(
    one: Curve, control: Curve, widest: float, ends: tuple[float, float], place: Place
) -> list[str]:
    low, high = ends
    left, top = place(0, high)
    right, bottom = place(widest, low)
    grey = 'fill="#566270"'
    parts = [
        f'<text x="{left:.0f}" y="{top - 8:.0f}" font-weight="600">{html.escape(one.label)}</text>',
        f'<text x="{left - 5:.0f}" y="{top + 4:.0f}" text-anchor="end" {grey}>{high:.4g}</text>',
        f'<text x="{left - 5:.0f}" y="{bottom + 4:.0f}" text-anchor="end" {grey}>{low:.4g}</text>',
        f'<text x="{right:.0f}" y="{bottom + 14:.0f}" text-anchor="end" {grey}>'
        f"{widest:,.0f}</text>",
        f'<path d="M{left:.1f} {top:.1f}V{bottom:.1f}H{right:.1f}" fill="none" stroke="#c5cdd6"/>',
    ]
    for drawn, colour in ((control, COLOURS[0]), (one, COLOURS[1])):
        lower = [place(x, max(low, y)) for x, y in _zip(drawn.x, drawn.mean - drawn.error)]
        upper = [place(x, y) for x, y in _zip(drawn.x, drawn.mean + drawn.error)]
        line = [place(x, y) for x, y in _zip(drawn.x, drawn.mean)]
        band, look = _points([*upper, *lower[::-1]]), f'fill="none" stroke="{colour}"'
        parts += [
            f'<polygon points="{band}" fill="{colour}" opacity=".15"/>',
            f'<polyline points="{_points(line)}" {look} stroke-width="1.6"/>',
        ]
    return parts


def _zip(x: Floats, y: Floats) -> list[tuple[float, float]]:
    return list(zip(x.tolist(), y.tolist(), strict=True))


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
