"""What each colour means: one meaning has one colour on every screen and in every chart.

Colours are the Okabe-Ito palette; `ink` is the same hue dark (or light) enough to be read as text.
Figures are built with the names of meanings (`@learned`, or `@learned/0.2` for a wash of it) and
filled in by the browser, so that a figure does not depend on the visitor's theme.
"""

from __future__ import annotations

from typing import Literal

Theme = Literal["light", "dark"]

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
