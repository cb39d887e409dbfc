"""The page for people: every bar, met or not, and the figures behind it."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cpu.growth import AXES, curves
from benchmarks.cpu.peer import VERSION

BEGIN, END = "<!-- written by make bench: begin -->", "<!-- written by make bench: end -->"
Found = dict[str, Any]


@dataclass(frozen=True)
class Bar:
    """Something that must hold."""

    claim: str
    figure: str
    met: bool

    def row(self) -> str:
        """A line of the table."""
        return f"| {self.claim} | {self.figure} | {'met' if self.met else '**missed**'} |"


def machine(threads: int) -> str:
    """Return one line about where and with what was measured."""
    import torch
    import transformers

    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(encoding="utf-8").splitlines()
        name = next((ln.split(":")[1].strip() for ln in lines if ln.startswith("model name")), name)
    capability = torch.backends.cpu.get_cpu_capability()
    return (
        f"{name} ({capability}), {os.cpu_count()} cores, {threads} threads, load "
        f"{os.getloadavg()[0]:.1f} at the start; Python {platform.python_version()}, torch "
        f"{torch.__version__}, transformers {transformers.__version__}, trl {VERSION}"
    )


def page(folder: Path) -> tuple[str, bool]:
    """Return the page of what was measured into a folder, and whether a bar is missed."""
    parts: dict[str, Callable[[Found], tuple[list[Bar], list[str]]]] = {
        "speed": _speed, "growth": _growth, "store": _store, "screen": _screen,
    }  # fmt: skip
    bars: list[Bar] = []
    text: list[str] = []
    machines: dict[str, list[str]] = {}
    for name, tell in parts.items():
        file = folder / f"{name}.json"
        if file.is_file():
            found = json.loads(file.read_text(encoding="utf-8"))
            machines.setdefault(found["machine"], []).append(name)
            more, lines = tell(found)
            bars += more
            text += ["", *lines]
    head = ["`make bench`, on:", ""]
    head += [f"- {' and '.join(names)}: {known}." for known, names in machines.items()]
    head += ["", "| bar | measured | |", "|---|---|---|", *(bar.row() for bar in bars)]
    return "\n".join([*head, *text]) + "\n", not all(bar.met for bar in bars)


def write(page_file: Path, text: str) -> None:
    """Put the text in the place that the page keeps for it."""
    old = page_file.read_text(encoding="utf-8")
    before, rest = old.split(BEGIN)
    _, after = rest.split(END)
    page_file.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


def seconds(found: Found, code: str, load: str, what: str) -> list[float]:
    """Return a figure of every process that measured a workload: its median update."""
    return [
        statistics.median(update[what] for update in row["took"][1:])
        for row in found["rows"]
        if row["code"] == code and row["load"]["name"] == load
    ]


def spread(values: list[float], digits: int = 2) -> str:
    """Median and range."""
    shown = [f"{value:.{digits}f}" for value in (min(values), max(values))]
    return f"{statistics.median(values):.{digits}f} ({shown[0]} to {shown[1]})"


def ratios(above: list[float], below: list[float]) -> list[float]:
    """Return the ratio within each pair that was measured in turn."""
    return [one / other for one, other in zip(above, below, strict=True)]


def _speed(found: Found) -> tuple[list[Bar], list[str]]:
    codes = list(dict.fromkeys(row["code"] for row in found["rows"]))
    names = {"ours": "drpo", "peer": "TRL's PPO", "old": "older checkout"}
    loads = list(dict.fromkeys(row["load"]["name"] for row in found["rows"]))
    lines = [
        "### An update of 64 episodes and four passes",
        "",
        "| workload | code | episodes/s | seconds | processor seconds | peak MiB |",
        "|---|---|---|---|---|---|",
    ]
    for load in loads:
        for code in codes:
            wall = seconds(found, code, load, "wall_s")
            if not wall:
                continue
            mine = [r for r in found["rows"] if (r["code"], r["load"]["name"]) == (code, load)]
            episodes = mine[0]["load"]["episodes"]
            cells = (
                load,
                names[code],
                f"{episodes / statistics.median(wall):.1f}",
                spread(wall),
                spread(seconds(found, code, load, "processor_s")),
                f"{statistics.median(row['peak_mib'] for row in mine):.0f}",
            )
            lines.append("| " + " | ".join(cells) + " |")
    bars = list(_speed_bars(found, codes)) if "B, reset_prob 1" in loads else []
    return bars, [*lines, "", *_profile(found["floor"])]


def _speed_bars(found: Found, codes: list[str]) -> Iterator[Bar]:
    for load, wanted in (("A", 1.35), ("B", 2.0)):
        for what, kind in (("wall_s", "episodes a second"), ("processor_s", "processor seconds")):
            if "peer" not in codes:
                continue
            times = [seconds(found, code, load, what) for code in ("peer", "ours")]
            faster = ratios(*times)
            claim = f"{load}: TRL's {kind}, in ours: at least {wanted} times"
            claim = claim if what == "processor_s" else f"{load}: at least {wanted} x TRL, {kind}"
            yield Bar(claim, spread(faster), statistics.median(faster) >= wanted)
    none, all_of = "B", "B, reset_prob 1"
    dearer = ratios(*(seconds(found, "ours", load, "wall_s") for load in (all_of, none)))
    met = statistics.median(dearer) <= 1.0
    yield Bar("resets everywhere: an update no dearer than without", spread(dearer), met)
    faster = ratios(*(seconds(found, "ours", load, "rollout_s") for load in (none, all_of)))
    met = statistics.median(faster) >= 1.3
    yield Bar("resets everywhere: rollout at least 1.3 times faster", spread(faster), met)
    for row in found["floor"]:
        share = row["floor"]["processor_s"] / row["update"]["processor_s"]
        yield Bar(
            f"{row['load']['name']}: matrix products alone, of an update's time: at least .6"
            if row["load"]["name"] == "A"
            else f"{row['load']['name']}: the same, no bar",
            f"{share:.2f}",
            share >= 0.6 or row["load"]["name"] != "A",
        )


def _profile(rows: list[Found]) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for name in row["profile"]))
    loads = [row["load"]["name"] for row in rows]
    lines = [
        "Where the time of an update goes (profiled, which makes small steps dearer), "
        "and the floor: the products of all linear layers multiplied by themselves, each shape "
        "with the faster library.",
        "",
        "| | " + " | ".join(loads) + " |",
        "|---" * (len(loads) + 1) + "|",
    ]
    for name in names:
        shares = (f"{100 * row['profile'].get(name, 0):.0f} %" for row in rows)
        lines.append(f"| {name} | " + " | ".join(shares) + " |")
    for stage in ("rollout", "scoring", "learning"):
        times = (f"{row['update'][stage + '_s']:.2f}" for row in rows)
        lines.append(f"| {stage}, s | " + " | ".join(times) + " |")
    lines.append("| update, processor s | " + " | ".join(_two(rows, "update")) + " |")
    lines.append("| floor, processor s | " + " | ".join(_two(rows, "floor")) + " |")
    operations = (
        f"{row['floor']['gigaflop'] / row['floor']['processor_s']:.0f} GFLOP/s" for row in rows
    )
    return [*lines, "| floor, a core | " + " | ".join(operations) + " |"]


def _two(rows: list[Found], what: str) -> list[str]:
    return [f"{row[what]['processor_s']:.2f}" for row in rows]


def _growth(found: Found) -> tuple[list[Bar], list[str]]:
    lines = [
        "### How the cost grows",
        "",
        "Processor seconds of an update with one pass over 64 episodes of a random Llama, 128 "
        "wide, 4 layers, answers of 64 tokens at most; one thing changes at a time. One update "
        "each, after another.",
    ]
    for axis, (title, _) in AXES.items():
        lines += ["", f"![Processor seconds an update over {title}](benchmarks/{axis}.svg)", ""]
        found_curves = curves(found, axis)
        sizes = sorted({size for points in found_curves.values() for size, _ in points})
        lines.append(f"| {title} | " + " | ".join(f"{size:.3g}" for size in sizes) + " |")
        lines.append("|---" * (len(sizes) + 1) + "|")
        for name, points in found_curves.items():
            known = dict(points)
            cells = (f"{known[size]:.2f}" if size in known else "-" for size in sizes)
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return [], lines


def _store(found: Found) -> tuple[list[Bar], list[str]]:
    new, opening = found["new_ms"], found["open_ms"]
    rows, points = f"{found['rows']:,}", f"{found['opened_rows']:,}"
    bars = [
        Bar(
            "store: at least 20,000 metric rows a second in",
            f"{found['in_a_second']:,.0f}",
            found["in_a_second"] >= 20_000,
        ),
        Bar(f"store: what is new among {rows} rows in 5 ms", _ms(new), new[0] < 5),
        Bar(f"store: a run of {points} points opened in 300 ms", _ms(opening), opening[0] < 300),
    ]
    return bars, []


def _screen(found: Found) -> tuple[list[Bar], list[str]]:
    slowed = found["slowed"]
    return [
        Bar(
            "a run's first figure within 6 s of being queued",
            f"{found['first_s']:.1f} s; held-out answers scored after {found['scored_s']:.1f} s",
            found["first_s"] < 6,
        ),
        Bar(
            "screen: 95 % of Live's reruns beside a run within 250 ms",
            f"{found['p95_ms']:.0f} ms (median {found['median_ms']:.0f}, {found['reruns']} reruns)",
            found["p95_ms"] < 250,
        ),
        Bar(
            "screen: an open dashboard slows training by less than 10 %",
            f"{100 * slowed[0]:.0f} % ({100 * slowed[1]:.0f} to {100 * slowed[2]:.0f})",
            slowed[0] < 0.1,
        ),
    ], []


def _ms(values: list[float]) -> str:
    return f"{values[0]:.1f} ms ({values[1]:.1f} to {values[2]:.1f})"
