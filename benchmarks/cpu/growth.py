"""How an update's cost grows with its sizes, and the pictures of that."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.cpu.workloads import Workload

BASE = Workload("base", answer=64, width=128, layers=4, passes=1)
"""One pass; .8 million parameters."""
AXES: dict[str, tuple[str, Sequence[int]]] = {
    "answer": ("tokens of an answer, at most", (16, 64, 256)),
    "episodes": ("episodes of an update", (16, 64, 256, 512)),
    "size": ("parameters, millions (16 episodes)", (0, 1, 2, 3)),
}
SHAPES = ((96, 3), (256, 5), (384, 8), (704, 8))
"""Width and layers of models of about .3, 4, 14 and 48 million parameters."""


def parameters(load: Workload) -> float:
    """Weights of a random policy's layers, millions."""
    width = load.width or 0
    return load.layers * (4 + 9) * width * width / 1e6


def loads() -> list[Workload]:
    """Every point of every axis, with a critic and without."""
    points = [replace(BASE, name=f"answer {n}", answer=n) for n in AXES["answer"][1]]
    points += [replace(BASE, name=f"episodes {n}", episodes=n) for n in AXES["episodes"][1]]
    points += [
        replace(BASE, name=f"size {n}", episodes=16, width=width, layers=layers)
        for n, (width, layers) in enumerate(SHAPES)
    ]
    return [replace(point, advantage=kind) for point in points for kind in ("gae", "rloo")]


def curves(found: dict[str, Any], axis: str) -> dict[str, list[tuple[float, float]]]:
    """Return points (size, processor seconds an update) of every code along an axis."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in found["rows"]:
        load = Workload(**row["load"])
        if load.name.split()[0] != axis:
            continue
        name = "TRL's PPO" if row["code"] == "peer" else f"drpo, {load.advantage}"
        size = parameters(load) if axis == "size" else float(getattr(load, axis))
        seconds = statistics.median(one["processor_s"] for one in row["took"][1:])
        lines.setdefault(name, []).append((size, seconds))
    return {name: sorted(points) for name, points in lines.items()}


COLOURS = {"drpo, gae": "#0072B2", "drpo, rloo": "#009E73", "TRL's PPO": "#D55E00"}
WIDTH, HEIGHT, LEFT, BOTTOM = 480, 320, 60, 50


def draw(measured: Path, folder: Path) -> None:
    """Write a picture for each axis, with logarithmic scales, where growth was measured."""
    file = measured / "growth.json"
    if not file.is_file():
        return
    found = json.loads(file.read_text(encoding="utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    for axis, (title, _) in AXES.items():
        picture = _picture(curves(found, axis), title)
        (folder / f"{axis}.svg").write_text(picture, encoding="utf-8")


def _picture(lines: dict[str, list[tuple[float, float]]], title: str) -> str:
    """Draw curves over two logarithmic axes."""
    across = [size for points in lines.values() for size, _ in points]
    up = [seconds for points in lines.values() for _, seconds in points]
    low, high = 10 ** math.floor(math.log10(min(up))), 10 ** math.ceil(math.log10(max(up)))

    def x_of(size: float) -> float:
        share = math.log(size / min(across)) / math.log(max(across) / min(across))
        return LEFT + share * (WIDTH - LEFT - 110)

    def y_of(seconds: float) -> float:
        return HEIGHT - BOTTOM - math.log(seconds / low) / math.log(high / low) * (HEIGHT - 80)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12" role="img" '
        f'aria-label="Processor seconds an update over {title}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="18" font-weight="600">processor seconds an update</text>',
        f'<text x="{LEFT}" y="{HEIGHT - 10}" fill="#566270">{title}</text>',
    ]
    mark = low
    while mark <= high * 1.001:
        y = y_of(mark)
        parts += [
            f'<line x1="{LEFT}" x2="{WIDTH - 110}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e3e8ee"/>',
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#566270">{mark:g}'
            "</text>",
        ]
        mark *= 10
    for size in sorted(set(across)):
        where = f'x="{x_of(size):.1f}" y="{HEIGHT - BOTTOM + 18}"'
        parts.append(f'<text {where} text-anchor="middle" fill="#566270">{size:.3g}</text>')
    for name, points in lines.items():
        places = " ".join(f"{x_of(size):.1f},{y_of(seconds):.1f}" for size, seconds in points)
        parts.append(
            f'<polyline points="{places}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>'
        )
    # Names stand where the lines end, the highest first and never one over another.
    beneath = -math.inf
    for name, points in sorted(lines.items(), key=lambda line: -line[1][-1][1]):
        beneath = max(beneath + 14, y_of(points[-1][1]) + 4)
        where = f'x="{x_of(points[-1][0]) + 6:.1f}" y="{beneath:.1f}"'
        parts.append(f'<text {where} fill="{COLOURS[name]}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])
