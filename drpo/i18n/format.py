"""How numbers, amounts and names are written, on screens, in reports and on the command line."""

from __future__ import annotations

import math
from collections.abc import Sequence

THIN = "\N{NARROW NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"


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


def bare(value: float | None) -> str:
    """Write a fraction as per cent without the sign; for the lower end of a range."""
    return "–" if value is None else f"{100 * value:.0f}".replace("-", MINUS)


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


def distinct_names(names: Sequence[str], run_ids: Sequence[str]) -> list[str]:
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
