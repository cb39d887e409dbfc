"""The figures as tables, for people."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.ceilings import Ceilings
from benchmarks.gpu.smoke import Outcome
from benchmarks.gpu.subject import Row
from drpo.system import processes

ERROR_CHARACTERS = 60


def facts(device: torch.device) -> dict[str, Any]:
    """The machine and what runs on it."""
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "cores": processes.cores(),
        "gpus_seen": processes.gpus(),
        **{name: version(name) for name in ("torch", "transformers", "peft")},
    }
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        found |= {
            "card": card.name,
            "memory_gib": card.total_memory / 2**30,
            "cuda": torch.version.cuda,
            "use": [one.use for one in processes.gpu_use(timeout=20)],
        }
    return found


def document(
    known: dict[str, Any], ceilings: Ceilings | None, rows: Sequence[Row], steps: Sequence[Outcome]
) -> str:
    """Everything in Markdown, the widest table last."""
    parts = ["# On a GPU", "", ", ".join(f"{name} {value}" for name, value in known.items()), ""]
    if steps:
        parts += ["## Smoke test", ""]
        parts += [f"- {step.line()}" for step in steps]
        failed = sum(not step.ok for step in steps)
        parts += ["", f"{len(steps) - failed} steps passed, {failed} failed.", ""]
    if ceilings is not None:
        parts += [
            f"Copy within memory: {ceilings.copied / 1e12:.2f} TB/s read and written. Matrix "
            f"product in bfloat16: {ceilings.multiplied / 1e12:.0f} TFLOP/s.",
            "",
        ]
    parts += _formats([row for row in rows if row["kind"] == "format"])
    parts += _profiles([row for row in rows if row["kind"] == "profile"])
    parts += _loads([row for row in rows if row["kind"] == "load"])
    parts += _rollouts([row for row in rows if row["kind"] == "rollout"])
    parts += _slots([row for row in rows if row["kind"] == "slots"])
    parts += _updates([row for row in rows if row["kind"] == "update"])
    return "\n".join(parts)


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(f"| {' | '.join(line)} |" for line in lines),
        "",
    ]


def _loads(rows: Sequence[Row]) -> list[str]:
    lines = [
        [
            str(row["shape"]),
            _number(row, "parameters", 1e6, 0),
            _number(row, "trained", 1e6, 1),
            _number(row, "seconds", 1, 1),
        ]
        for row in rows
    ]
    return _table(["shape", "million weights", "trained", "s to load all models"], lines)


def _rollouts(rows: Sequence[Row]) -> list[str]:
    heads = [
        "shape",
        "answer",
        "width",
        "tokens/s",
        "ms a step",
        "of the memory floor",
        "rewards s",
        "peak GiB",
        "",
    ]
    lines = [
        [
            str(row["shape"]),
            str(row.get("answer", "")),
            str(row.get("width", "")),
            _number(row, "tokens_per_s", 1, 0),
            _number(row, "ms_per_step", 1, 1),
            _percent(row, "of_floor"),
            _number(row, "reward_seconds", 1, 2),
            _number(row, "peak_gib", 1, 1),
            _remark(row),
        ]
        for row in rows
    ]
    return _table(heads, lines)


def _slots(rows: Sequence[Row]) -> list[str]:
    heads = ["shape", "slots are filled", "tokens", "tokens / slots", "steps", "s", "tokens/s"]
    lines = [
        [
            str(row["shape"]),
            str(row["way"]),
            _number(row, "written", 1, 0),
            _number(row, "least_steps", 1, 0),
            _number(row, "steps", 1, 0),
            _number(row, "seconds", 1, 2),
            _number(row, "tokens_per_s", 1, 0),
            _number(row, "peak_gib", 1, 1),
            _remark(row),
        ]
        for row in rows
    ]
    return _table([*heads, "peak GiB", ""], lines) if lines else []


def _updates(rows: Sequence[Row]) -> list[str]:
    heads = [
        "shape",
        "answer",
        "micro-batch",
        "scoring tokens/s",
        "policy tokens/s",
        "of ceiling",
        "MFU",
        "critic tokens/s",
        "of ceiling",
        "peak GiB",
        "estimated",
        "",
    ]
    lines = [
        [
            str(row["shape"]),
            str(row.get("answer", "")),
            str(row["micro"]),
            _number(row, "score_tokens_per_s", 1, 0),
            _number(row, "policy_tokens_per_s", 1, 0),
            _percent(row, "policy_of_ceiling"),
            _percent(row, "policy_mfu"),
            _number(row, "critic_tokens_per_s", 1, 0),
            _percent(row, "critic_of_ceiling"),
            _number(row, "peak_gib", 1, 1),
            _number(row, "estimate_gib", 1, 1),
            _remark(row),
        ]
        for row in rows
    ]
    return _table(heads, lines)


def _formats(rows: Sequence[Row]) -> list[str]:
    heads = ["trained", "step size", "format", "correlation", "true log-ratio, rms", "seen, rms"]
    lines = [
        [
            str(row["trained"]),
            f"{row['step_size']:g}",
            str(row["format"]),
            _number(row, "correlation", 1, 3),
            _number(row, "true_rms", 1, 5),
            _number(row, "rms", 1, 5),
        ]
        for row in rows
    ]
    return _table(heads, lines) if lines else []


def _profiles(rows: Sequence[Row]) -> list[str]:
    parts = [
        f"- {row['shape']}, {name}: {_number(row, f'{name}_seconds', 1, 2)} s, a kernel runs "
        f"{_percent(row, f'{name}_busy')} of the time, {row[f'{name}_kernels']} kernels: "
        f"{row[f'{name}_longest']}"
        for row in rows
        for name in ("rollout", "learning")
        if f"{name}_busy" in row
    ]
    parts += [f"- {row['shape']}: {row['error']}" for row in rows if "error" in row]
    return ["Under the profiler:", "", *parts, ""] if parts else []


def _remark(row: Row) -> str:
    said = [str(row.get("note", ""))]
    if row.get("recompute"):
        said.append("recomputed")
    if row.get("advantage", "gae") != "gae":
        said.append(str(row["advantage"]))
    said.append(str(row.get("error", ""))[:ERROR_CHARACTERS])
    return ", ".join(part for part in said if part)


def _number(row: Row, name: str, unit: float, digits: int) -> str:
    value = row.get(name)
    return "" if value is None else f"{float(value) / unit:,.{digits}f}"


def _percent(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None else f"{float(value):.1%}"


def write(
    out: Path,
    known: dict[str, Any],
    ceilings: Ceilings | None,
    rows: Sequence[Row],
    steps: Sequence[Outcome],
) -> str:
    """Write gpu.json and gpu.md; returns the Markdown."""
    out.mkdir(parents=True, exist_ok=True)
    record = {
        "facts": known,
        "ceilings": None if ceilings is None else asdict(ceilings),
        "rows": list(rows),
        "steps": [asdict(step) for step in steps],
    }
    (out / "gpu.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    text = document(known, ceilings, rows, steps)
    (out / "gpu.md").write_text(text, encoding="utf-8")
    return text
