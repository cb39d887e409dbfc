"""The visual language in one place: what each colour means, how numbers and names are written.

A meaning has one colour on every screen and in every chart. Colours are the Okabe-Ito palette;
`ink` is the same hue dark (or light) enough to be read as text. Figures are built with the names
of meanings (`@learned`, or `@learned/0.2` for a wash of it) and filled in by the browser, so that a
figure does not depend on the visitor's theme.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

Theme = Literal["light", "dark"]
ASSETS = Path(__file__).parents[1] / "assets"

THIN = "\N{NARROW NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"

COLOURS: dict[Theme, dict[str, str]] = {
    "light": {
        "learned": "#0072B2",
        "learned-ink": "#00629A",
        "gold": "#009E73",
        "gold-ink": "#00704F",
        "reset": "#E69F00",
        "reset-ink": "#7A5300",
        "start": "#7A8591",
        "start-ink": "#5A6672",
        "kl": "#CC79A7",
        "kl-ink": "#94346C",
        "alarm": "#D55E00",
        "alarm-ink": "#A84300",
        "ink": "#16202B",
        "muted": "#566270",
        "line": "#E3E8EE",
        "paper": "#FFFFFF",
        "run-0": "#16202B",
        "run-1": "#7A5A00",
        "run-2": "#5B4FA8",
        "run-3": "#0B7A8A",
        "run-4": "#A8324A",
        "run-5": "#5F7A1E",
    },
    "dark": {
        "learned": "#56B4E9",
        "learned-ink": "#7CC4F0",
        "gold": "#35C49B",
        "gold-ink": "#4FD3AC",
        "reset": "#F2B233",
        "reset-ink": "#F5C563",
        "start": "#93A0AD",
        "start-ink": "#A9B5C0",
        "kl": "#DE97BF",
        "kl-ink": "#E8AFCE",
        "alarm": "#FF8E4A",
        "alarm-ink": "#FFA36B",
        "ink": "#E9EEF3",
        "muted": "#A3AFBB",
        "line": "#2A3542",
        "paper": "#10161D",
        "run-0": "#E9EEF3",
        "run-1": "#D9B45B",
        "run-2": "#A79CF0",
        "run-3": "#5CC7D6",
        "run-4": "#F08A9E",
        "run-5": "#B4CF6B",
    },
}

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
"""Runs laid over each other differ in line style and label; `run-0` to `run-5` come third, and are
none of the colours that mean something."""


def read_assets(*names: str) -> str:
    """The text of some of our assets, one after the other: what comes first is shared."""
    return "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in names)


def number(value: float | None, *, sign: bool = False) -> str:
    """Write a number with two decimals that matter, thin spaces and a real minus.

    Args:
        value: The number; None and NaN become a dash.
        sign: Show a plus before positive numbers, for differences.
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return ("" if value > 0 else MINUS) + "∞"
    size = abs(value)
    if size >= 100 or size == 0:
        text = f"{size:,.0f}".replace(",", THIN)
    elif size >= 0.1:
        text = f"{size:.2f}" if size < 10 else f"{size:.1f}"
    elif size >= 0.001:
        text = f"{size:.{1 - math.floor(math.log10(size))}f}"
    else:
        text = f"{size:.1e}".replace("e-0", "e-").replace("e-", f"e{MINUS}")
    return (MINUS if value < 0 else "+" if sign and value > 0 else "") + text


def count(value: int) -> str:
    """Write a whole number with thin spaces."""
    return f"{value:,}".replace(",", THIN).replace("-", MINUS)


def share(value: float | None) -> str:
    """Write a fraction as per cent."""
    return "–" if value is None or math.isnan(value) else f"{100 * value:.0f}{THIN}%"


def duration(seconds: float | None) -> str:
    """Write a time span in its two largest units: `1 h 20 min`, `3 min 5 s`, `0.8 s`."""
    if seconds is None or math.isnan(seconds) or math.isinf(seconds):
        return "–"
    if seconds < 10:
        return f"{seconds:.1f}{THIN}s"
    parts = [
        (int(seconds) // 3600, "h"),
        (int(seconds) // 60 % 60, "min"),
        (int(seconds) % 60, "s"),
    ]
    while len(parts) > 1 and parts[0][0] == 0:
        parts.pop(0)
    return " ".join(f"{amount}{THIN}{unit}" for amount, unit in parts[:2])


def told_apart(names: Sequence[str], run_ids: Sequence[str]) -> list[str]:
    """Return the names of runs; the end of the id is added where two are called the same.

    Args:
        names: What the runs are called.
        run_ids: Their ids, in the same order.
    """
    return [
        f"{name} ({run_id[-6:]})" if names.count(name) > 1 else name
        for name, run_id in zip(names, run_ids, strict=True)
    ]


def size(number_of_bytes: float) -> str:
    """Write an amount of memory or disk."""
    units = ["B", "kB", "MB", "GB", "TB"]
    step = 0
    while number_of_bytes >= 999.5 and step < len(units) - 1:  # 999.5 is written as 1000
        number_of_bytes /= 1000
        step += 1
    return f"{number_of_bytes:.3g}{THIN}{units[step]}"
