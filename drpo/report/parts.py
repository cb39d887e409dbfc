"""Parts that reports on one run and on several share: data, settings, alarms, versions, tables."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from drpo import metrics
from drpo.alarms.handler import Raised
from drpo.analysis.metric_series import Feed
from drpo.analysis.progress import updates_of
from drpo.analysis.verdict import Verdict
from drpo.config.run_config import as_trained, leaves
from drpo.data.library.versions import find_version
from drpo.data.quality.problems import KINDS
from drpo.data.quality.readiness import reason_text
from drpo.evaluation.frontier import Point
from drpo.i18n import t
from drpo.i18n.format import count, number
from drpo.metrics import words
from drpo.report.blocks import Block, Table, Text
from drpo.runs import event_words
from drpo.store import Store
from drpo.store.schema import Dataset, EventRow, Run

INTERVENTIONS = ("setting", "pause", "resume", "stop", "decision", "error")


def when(run: Run) -> str:
    """Which run it is, and when it was made."""
    made = clock(run.finished_at or run.started_at or run.created_at)
    status, method = t(f"live.status_{run.status}"), run.config["run"]["method"]
    planned = updates_of(run)
    if planned is None:
        return t("report.subtitle_whole", id=run.id, method=method, status=status, time=made)
    return t(
        "report.subtitle",
        id=run.id,
        method=method,
        status=status,
        time=made,
        step=count(run.step),
        updates=count(planned),
    )


def clock(seconds: float) -> str:
    """A moment, in universal time: a report is read anywhere."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def evaluations(feed: Feed) -> Table:
    """The held-out figures at every evaluation."""
    known = [name for name in metrics.MEASURED if len(feed.get(name))]
    steps = sorted({int(step) for name in known for step in feed.get(name).steps})
    rows = []
    for step in steps:
        row = [count(step)]
        for name in known:
            value, error = _at(feed, name, step), _at(feed, metrics.error_of(name), step)
            row.append(number(value) + (f" ± {number(1.96 * error)}" if error else ""))
        rows.append(row)
    head = [t("charts.update"), *map(words.title, known)]
    return Table(head, rows, caption=t("report.evaluations"), folded=True)


def _at(feed: Feed, name: str, step: int) -> float | None:
    series = feed.get(name)
    found = [value for at, value in zip(series.steps, series.values, strict=True) if at == step]
    return float(found[0]) if found else None


def frontier_table(known: Iterable[Point], names: dict[str, str] | None = None) -> Table:
    """Reward against KL, one row a checkpoint."""
    head = [
        *([t("report.run")] if names else []),
        t("charts.update"),
        t("charts.kl_axis"),
        words.title(metrics.EVAL_SCORES),
        words.title(metrics.EVAL_GOLD),
    ]
    rows = [
        [
            *([names[point.run_id]] if names else []),
            count(point.step),
            number(point.kl),
            number(point.score),
            number(point.gold),
        ]
        for point in known
    ]
    return Table(head, rows, caption=t("report.frontier_numbers"), folded=True)


def data(store: Store, run: Run) -> list[Block]:
    """What the run was trained on: the saved version's own report, or the file's name."""
    named = run.config["data"]["data"]
    saved = version_of(store, run)
    noted = run.summary.get("data") or {}
    if saved is None:
        rows = [[t("report.data_file"), _last_part(named)]]
    else:
        rows = [
            [
                t("report.data_set"),
                f"{saved.name}, {t('report.data_version', number=saved.version)}",
            ],
            [t("report.data_rows"), count(saved.rows)],
            [t("report.data_hash"), saved.content_hash],
            [t("report.data_source"), saved.source or "–"],
        ]
    rows += [
        [t(f"report.data_{name}"), count(noted[name])]
        for name in ("train", "heldout")
        if isinstance(noted.get(name), int)
    ]
    if saved is None and noted.get("content_hash"):
        rows.append([t("report.data_hash"), str(noted["content_hash"])])
    blocks: list[Block] = [Table([t("report.what"), t("report.value")], rows)]
    if saved is not None and saved.report:
        blocks += data_report(saved.report)
    return blocks


def version_of(store: Store, run: Run) -> Dataset | None:
    """The saved version a run was trained on; of a bare name the newest when the run was made."""
    named = run.config["data"]["data"]
    found = find_version(store, named)
    if found is None or found.name != named:
        return found  # named by its id or its number, or a file
    then = [
        one
        for one in store.datasets.all()
        if one.name == named and one.created_at <= run.created_at
    ]
    return max(then, key=lambda one: one.version, default=None)


def data_report(report: dict[str, Any]) -> list[Block]:
    """The verdict on the data, its reasons, and the problems that were found."""
    blocks: list[Block] = []
    verdict = report.get("verdict") or {}
    if verdict.get("level"):
        level = verdict["level"].replace(" ", "_")
        blocks.append(Text(t(f"report.fitness_{level}")))
        blocks += [Text(reason_text(reason), "note") for reason in verdict.get("reasons", ())]
    found = [
        [
            t(f"report.{severity}"),
            KINDS[entry["kind"]].title(),
            count(entry["count"]),
            KINDS[entry["kind"]].remedy(),
        ]
        for severity in ("blockers", "warnings")
        for entry in report.get(severity, ())
    ]
    if found:
        head = [t(f"report.problem_{name}") for name in ("weight", "what", "rows", "remedy")]
        blocks.append(Table(head, found, caption=t("report.problems"), folded=True))
    return blocks


def _last_part(path: str) -> str:
    """A file's name without its folders: a report travels, the folders of a machine need not."""
    return path.rstrip("/").rpartition("/")[2] or path


def settings(run: Run, events: Iterable[EventRow]) -> list[Block]:
    """What was set, what was changed in mid-run, and everything at its default, folded."""
    declared = leaves()
    changed: list[list[str]] = []
    rest: list[list[str]] = []
    for leaf, value in as_trained(run.config).items():
        field = declared[leaf][1]
        row = [leaf, _setting(leaf, value)]
        plain = not field.is_required() and field.default == value
        (rest if plain else changed).append(row)
    head = [t("report.setting"), t("report.value")]
    return [
        Table(head, changed, caption=t("report.changed")),
        *interventions(events),
        Table(head, rest, caption=t("report.at_default"), folded=True),
    ]


def interventions(events: Iterable[EventRow], name: str = "") -> list[Block]:
    """What people did to a run while it was going on; its name where there are several."""
    known = list(events)
    rows = [
        [
            count(event.step),
            event_words.kind(event),
            event_words.describe(event, known),
            event_words.who(event) or "–",
        ]
        for event in known
        if event.kind in INTERVENTIONS
    ]
    if not rows:
        return [Text(t("report.nothing_changed"))]
    head = [t(f"report.event_{name}") for name in ("step", "kind", "message", "who")]
    title = t("report.changes")
    caption = f"{name}: {title}" if name else title
    return [Text(t("report.changes_help")), Table(head, rows, caption=caption)]


def _setting(leaf: str, value: Any) -> str:  # noqa: ANN401 - any setting's value
    if value is None:
        return t("report.none")
    if leaf in ("data", "heldout", "demonstrations", "policy", "reward_model"):
        return _last_part(str(value))
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or t("report.none")
    return f"{value:g}" if isinstance(value, float) else str(value)


def alarms(verdicts: Sequence[Verdict], names: Sequence[str] = ()) -> list[Block]:
    """What raised a hand, why that matters, and what a person decided; by run where named."""
    rows = [
        [
            *names[place : place + 1],
            count(raised.alarm.first_step),
            raised.alarm.describe("title"),
            raised.alarm.describe("what"),
            raised.alarm.describe("why"),
            _decision(raised),
        ]
        for place, verdict in enumerate(verdicts)
        for raised in reversed(verdict.risk.alarms)
    ]
    if not rows:
        return [Text(t("report.no_alarms"))]
    head = [t(f"report.alarm_{name}") for name in ("step", "title", "what", "why", "decision")]
    return [Table([*([t("report.run")] if names else []), *head], rows)]


def _decision(raised: Raised) -> str:
    made = raised.decision
    if made is None:
        return t("report.undecided")
    choice = t(f"report.choice_{made['choice']}")
    if made["choice"] == "setting":
        choice = f"{choice}: {made['setting']} = {number(made['value'])}"
    return f"{choice} ({made['who']})" if made["who"] else choice


def versions(store: Store, runs: Sequence[Run], names: Sequence[str] = ()) -> list[Block]:
    """What made the answers: the code's versions, the machine's kind, and the weights' hashes."""
    rows = []
    for place, run in enumerate(runs):
        many = names[place : place + 1]
        noted = run.summary.get("versions") or {}
        rows += [[*many, str(name), str(version)] for name, version in sorted(noted.items())]
        rows.append([*many, t("report.device"), run.device or "–"])
        for word, step in _first_and_last(store.samples.steps(run.id)):
            hashes = sorted({row.weights for row in store.samples.at(run.id, step) if row.weights})
            label = f"{t(f'report.weights_{word}')} ({t('charts.update')} {count(step)})"
            rows.append([*many, label, ", ".join(hashes) or "–"])
    head = [*([t("report.run")] if names else []), t("report.what"), t("report.value")]
    return [Table(head, rows)]


def _first_and_last(steps: Sequence[int]) -> list[tuple[str, int]]:
    if not steps:
        return []
    return [("first", steps[0])] + ([("last", steps[-1])] if len(steps) > 1 else [])
