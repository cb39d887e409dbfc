"""The data report as one HTML file that opens without a network and runs no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from drpo.errors import DataError
from drpo.files import write_whole

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --paper: #fff; --line: #d1d9e0;
  --chosen: #0072b2; --rejected: #6e7781; --bad: #a04000; --data: #fff3d6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #a9b1ba; --paper: #15181c;
  --line: #3d444d; --chosen: #56b4e9; --rejected: #9aa4af; --bad: #ff9b62; --data: #3a2f12; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem;
  border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; white-space: nowrap; }
.soft { color: var(--soft); } .bad { color: var(--bad); font-weight: 600; }
.verdict { font-size: 1.3rem; font-weight: 600; }
.text { white-space: pre-wrap; border-left: 4px solid var(--line); padding: .3rem .8rem;
  margin: .2rem 0 .8rem; max-height: 16rem; overflow: auto; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } figcaption { color: var(--soft); font-size: .9rem; }
svg { width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 11px; }
"""
WIDTH, HEIGHT, LEFT, FOOT = 420, 200, 8, 34


def write_html(report: Mapping[str, Any], path: Path) -> None:
    """Write the report; the file is whole or not there.

    Raises:
        DataError: It cannot be written there.
    """
    try:
        write_whole(path, render_html(report))
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}); choose another place."
        ) from error


def render_html(report: Mapping[str, Any]) -> str:
    """Return the whole page."""
    file = report["file"]
    parts = [
        f"<h1>Data report: {escape(file['name'])}</h1>",
        f"<p class='soft'>{escape(file['kind'])} · SHA-256 {escape(file['sha256'][:16])}</p>",
        _verdict(report),
        _recognised(report),
        _counts(report),
        _problems("Blockers", report["blockers"], "No row is blocked."),
        _problems("Warnings", report["warnings"], "Nothing to warn about."),
        _charts(report),
        _examples(report),
    ]
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'>"
        f"<title>Data report: {escape(file['name'])}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>"
    )


def _verdict(report: Mapping[str, Any]) -> str:
    found = report["verdict"]
    items = "".join(f"<li>{escape(reason['sentence'])}</li>" for reason in found["reasons"])
    return (
        "<h2>Can it carry DR-PO?</h2>"
        f"<p class='verdict'>{escape(found['level'].capitalize())}</p><ul>{items}</ul>"
    )


def _recognised(report: Mapping[str, Any]) -> str:
    known = report["recognised"]
    if not known:
        return ""
    return f"<p>{escape(known['shape'].capitalize())}: {escape(known['reason'])}</p>"


def _counts(report: Mapping[str, Any]) -> str:
    counts, parts = report["counts"], report["splits"]
    rows = [
        ("Rows", counts["rows"]),
        ("Usable pairs", counts["pairs"]),
        ("Prompts", counts["prompts"]),
        ("Prompts that are not nearly the same", counts["distinct_prompts"]),
        ("Set apart (ties, not judged)", counts["set_apart"]),
    ]
    if parts:
        rows += [
            ("Held-out pairs", parts["heldout"]),
            ("Held-out pairs with a near duplicate in training", parts["leaked"]),
            ("The same, were it split by rows", parts["naive_leaked"]),
        ]
    cells = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td class='n'>{value:,}</td></tr>"
        for name, value in rows
    )
    return f"<h2>Counts</h2><table>{cells}</table>"


def _problems(title: str, entries: Sequence[Mapping[str, Any]], none: str) -> str:
    if not entries:
        return f"<h2>{title}</h2><p>{none}</p>"
    rows = []
    for entry in entries:
        shown = ", ".join(str(row) for row in entry["rows"][:20])
        more = " …" if entry["count"] > 20 else ""
        rows.append(
            f"<tr><td class='{'bad' if entry['left_out'] else ''}'>{escape(entry['title'])}</td>"
            f"<td class='n'>{entry['count']:,}</td><td class='soft'>{shown}{more}</td>"
            f"<td>{escape(entry['what_to_do'])}</td></tr>"
        )
    return (
        f"<h2>{title}</h2><table><thead><tr><th>What</th><th class='n'>Rows</th>"
        f"<th>Which</th><th>What to do</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _charts(report: Mapping[str, Any]) -> str:
    lengths = report["lengths"]
    unit = lengths["unit"]
    drawn = [
        _bars(f"Answer length ({unit})", lengths["answer_histogram"], ("chosen", "rejected")),
        _bars(f"Prompt length ({unit})", lengths["prompt_histogram"], ("prompt",)),
    ]
    if report["margins"]:
        drawn.append(_bars("Margin (score units)", report["margins"]["histogram"], ("margin",)))
    if report["divergence"]:
        shared = report["divergence"]["shared_characters"]["histogram"]
        drawn.append(_bars("Characters the two answers begin with alike", shared, ("shared",)))
    languages = report["languages"].get("chosen", {})
    if languages:
        drawn.append(_shares("Language of the chosen answers", languages))
    return f"<h2>Pictures</h2><div class='charts'>{''.join(drawn)}</div>"


def _bars(title: str, data: Mapping[str, Any], names: Sequence[str]) -> str:
    """Draw a histogram, the first series filled and the second as an outline."""
    edges = data["edges"]
    if not edges:
        return ""
    top = max(max(data[name], default=0) for name in names) or 1
    step = (WIDTH - 2 * LEFT) / (len(edges) - 1)
    shapes = []
    for name, colour in zip(names, ("var(--chosen)", "var(--rejected)"), strict=False):
        outline = name == "rejected"
        for index, count in enumerate(data[name]):
            height = (HEIGHT - FOOT - 12) * count / top
            fill = (
                f"fill='none' stroke='{colour}' stroke-width='1.5'"
                if outline
                else (f"fill='{colour}' opacity='.75'")
            )
            shapes.append(
                f"<rect x='{LEFT + index * step:.1f}' y='{HEIGHT - FOOT - height:.1f}' "
                f"width='{max(step - 1, 1):.1f}' height='{height:.1f}' {fill}/>"
            )
    marks = "".join(
        f"<text x='{x}' y='{HEIGHT - 18}' text-anchor='{anchor}'>{value:g}</text>"
        for x, anchor, value in (
            (LEFT, "start", edges[0]),
            (WIDTH - LEFT, "end", edges[-1]),
        )
    )
    legend = " · ".join(
        f"{name} ({'outline' if name == 'rejected' else 'filled'})" for name in names
    )
    caption = (
        f"{title}; {legend}; tallest bar {top:,}"
        if len(names) > 1
        else (f"{title}; tallest bar {top:,}")
    )
    return (
        f"<figure><svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{escape(caption)}'>"
        f"{''.join(shapes)}<line x1='{LEFT}' x2='{WIDTH - LEFT}' y1='{HEIGHT - FOOT}' "
        f"y2='{HEIGHT - FOOT}' stroke='var(--line)'/>{marks}</svg>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _shares(title: str, counts: Mapping[str, int]) -> str:
    total = sum(counts.values()) or 1
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td class='n'>{100 * count / total:.1f} %</td></tr>"
        for name, count in counts.items()
    )
    return f"<figure><table>{rows}</table><figcaption>{escape(title)}</figcaption></figure>"


def _examples(report: Mapping[str, Any]) -> str:
    if not report["recognised"]:
        return ""
    parts = ["<h2>Rows as they will be trained on</h2>"]
    for example in report["recognised"]["examples"]:
        parts.append(f"<h3>Row {example['row']}</h3>")
        parts += [
            f"<p class='soft'>{name}</p><div class='text'>{escape(example[name])}</div>"
            for name in ("prompt", "chosen", "rejected")
        ]
    return "".join(parts)
