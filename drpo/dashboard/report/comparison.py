"""The report on several runs: the first is what the others are held against."""

from __future__ import annotations

from collections.abc import Sequence

from drpo.dashboard import charts, frames
from drpo.dashboard import verdict_words as say
from drpo.dashboard.answers import Answer, Card, offline, written
from drpo.dashboard.charts import Figure, Panel, Trace
from drpo.dashboard.frames import Feed
from drpo.dashboard.look import DASHES, count
from drpo.dashboard.report import parts
from drpo.dashboard.report.blocks import Answers, Block, Picture, Report, Section, Table, Text
from drpo.dashboard.report.single import headline_row
from drpo.dashboard.run_charts import together
from drpo.dashboard.words import language, t
from drpo.evaluation.frontier import points
from drpo.store import Store
from drpo.store.schema import Run
from drpo.verdict import JUDGES, Comparison, Verdict, compare, scores_at, verdict_of

PROMPTS = 4
FIGURES = (
    ("eval/scores", "charts.learned_reward", "charts.unit_score"),
    ("eval/gold", "charts.gold_reward", "charts.unit_score"),
    ("eval/kl", "charts.kl", "charts.unit_kl"),
)


def compare_runs(store: Store, runs: Sequence[Run]) -> Report:
    """Gather everything there is to say of runs side by side, in the language spoken now."""
    verdicts = [verdict_of(store, run) for run in runs]
    feeds = [Feed(store, run.id).refresh() for run in runs]
    names = labels(runs)
    happened: list[Block] = []
    for name, feed in zip(names, feeds, strict=True):
        happened += [
            block for block in parts.happened(feed.events, name) if isinstance(block, Table)
        ]
    sections = [
        Section("verdict", t("report.verdict"), _verdicts(store, verdicts, names)),
        Section("curves", t("report.curves"), _curves(feeds, names)),
        Section("frontier", t("report.frontier"), _frontier(store, runs, feeds, names)),
        Section("answers", t("report.answers"), _answers(store, runs, names)),
        Section("data", t("report.data"), _data(store, runs)),
        Section("settings", t("report.settings"), [*_differences(runs, names), *happened]),
        Section("alarms", t("report.alarms"), parts.alarms(verdicts)),
        Section("versions", t("report.versions"), parts.versions(store, runs)),
    ]
    return Report(
        lang=language(),
        title=t("report.comparison", count=count(len(runs))),
        subtitle="; ".join(parts.when(run) for run in runs),
        sections=[section for section in sections if section.blocks],
    )


def labels(runs: Sequence[Run]) -> list[str]:
    """A name for each run; the end of the id is added where two are called the same."""
    names = [run.name for run in runs]
    return [
        f"{run.name} ({run.id[-6:]})" if names.count(run.name) > 1 else run.name for run in runs
    ]


def head_to_head(store: Store, first: Run, other: Run) -> Comparison | None:
    """The last answers of two runs to the same held-out prompts, by the stronger judge."""
    ends = [store.samples.last_step(run.id) for run in (other, first)]
    if None in ends:
        return None
    for judge in JUDGES:
        new, old = (
            scores_at(store, run.id, step or 0, judge)
            for run, step in zip((other, first), ends, strict=True)
        )
        found = compare(new, old, judge)
        if found is not None:
            return found
    return None


def _verdicts(store: Store, verdicts: Sequence[Verdict], names: Sequence[str]) -> list[Block]:
    head = [t("report.run"), *(t(f"report.column_{name}") for name in
            ("call", "rate", "interval", "gain", "kl", "alarms", "time"))]  # fmt: skip
    rows = [
        [name, *headline_row(verdict)[1:]] for name, verdict in zip(names, verdicts, strict=True)
    ]
    blocks: list[Block] = [Table(head, rows)]
    blocks += [
        Text(f"{name}: {warning}", "warning")
        for name, verdict in zip(names, verdicts, strict=True)
        for warning in say.warnings(verdict)
    ]
    for name, verdict in zip(names[1:], verdicts[1:], strict=True):
        duel = head_to_head(store, verdicts[0].run, verdict.run)
        if duel is not None:
            told = t(
                f"report.duel_{duel.source}", one=name, other=names[0],
                rate=say.percent(duel.rate.value), n=count(duel.rate.n),
                low=say.bare(duel.rate.low), high=say.percent(duel.rate.high),
            )  # fmt: skip
            blocks.append(Text(told))
    return blocks


def _curves(feeds: Sequence[Feed], names: Sequence[str]) -> list[Block]:
    figure = overlay(feeds, names)
    rows = []
    for name, feed in zip(names, feeds, strict=True):
        rows += [[name, *row] for row in parts.evaluations(feed).rows]
    heads = [parts.evaluations(feed).head for feed in feeds]
    if not figure["data"] or not rows:
        return [Text(t("report.no_metrics"))]
    numbers = Table(
        [t("report.run"), *max(heads, key=len)], _even(rows), caption=t("report.evaluations"),
        folded=True,
    )  # fmt: skip
    return [Picture(figure, t("report.alt_overlay"), numbers, 640), numbers]


def _even(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Rows of one width: runs without a gold score have a column less."""
    width = max(map(len, rows))
    return [[*row, *(["–"] * (width - len(row)))] for row in rows]


def overlay(feeds: Sequence[Feed], names: Sequence[str]) -> Figure:
    """Reward and KL of several runs over each other; line style tells them apart before colour."""
    shown = [spec for spec in FIGURES if any(len(feed.get(spec[0])) for feed in feeds)]
    panels = []
    for index, (metric, title, unit) in enumerate(shown):
        axis = "" if index == 0 else str(index + 1)
        traces: list[Trace] = []
        for place, (feed, name) in enumerate(zip(feeds, names, strict=True)):
            series = feed.get(metric)
            if not len(series):
                continue
            meaning = f"run-{place}"
            traces += charts.band(series, feed.get(f"{metric}_se"), name, meaning, axis=axis)
            traces.append(
                charts.line(
                    series, name, meaning, dash=DASHES[place % len(DASHES)], markers=True,
                    axis=axis, legend=index == 0,
                )
            )  # fmt: skip
        panels.append(Panel(t(title), t(unit), traces))
    return charts.panels(panels, x_title=t("charts.updates"))


def _frontier(
    store: Store, runs: Sequence[Run], feeds: Sequence[Feed], names: Sequence[str]
) -> list[Block]:
    gold = all(len(feed.get("eval/gold")) for feed in feeds)
    metric = "eval/gold" if gold else "eval/scores"
    traces: list[Trace] = []
    for place, (feed, name) in enumerate(zip(feeds, names, strict=True)):
        steps, x, y = together(feed.get("eval/kl"), feed.get(metric))
        if len(steps):
            colour = f"@run-{place}"
            dash = DASHES[place % len(DASHES)]
            traces.append(
                {
                    "type": "scatter", "mode": "lines+markers", "x": charts.packed(x),
                    "y": charts.packed(y), "customdata": steps.tolist(), "name": name,
                    "line": {"color": colour, "width": 2, "dash": dash},
                    "marker": {"color": colour, "size": 7},
                    "hovertemplate": f"{t('charts.update')} %{{customdata}}: %{{y:.3~g}}",
                }
            )  # fmt: skip
    if not traces:
        return []
    title = t("charts.gold_reward" if gold else "charts.learned_reward")
    figure = charts.panels(
        [Panel(title, t("charts.unit_score"), traces)], x_title=t("charts.kl_axis")
    )
    figure["layout"]["hovermode"] = "closest"
    by_id = {run.id: name for run, name in zip(runs, names, strict=True)}
    numbers = parts.frontier_table(points(store, list(by_id)), by_id)
    return [
        Text(t("report.frontier_help")),
        Picture(figure, t("report.alt_overlay_frontier"), numbers, 440),
        numbers,
    ]


def _answers(store: Store, runs: Sequence[Run], names: Sequence[str]) -> list[Block]:
    prompts: dict[str, list[Answer]] = {}
    from_data: dict[str, Answer] = {}
    for run, name in zip(runs, names, strict=True):
        for sample in store.samples.at(run.id, store.samples.last_step(run.id) or 0):
            prompts.setdefault(sample.prompt, []).append(written(sample, name))
            chosen = offline(sample)
            if chosen is not None:
                from_data.setdefault(sample.prompt, chosen)
    shared = [prompt for prompt, answers in prompts.items() if len(answers) == len(runs)]
    if not shared:
        return [Text(t("report.no_shared_prompts"))]
    cards = [
        Card(
            f"prompt-{place}", t("report.prompt", number=place), prompt,
            [*prompts[prompt], *([from_data[prompt]] if prompt in from_data else [])],
        )
        for place, prompt in enumerate(shared[:PROMPTS], start=1)
    ]  # fmt: skip
    return [Answers(cards)]


def _data(store: Store, runs: Sequence[Run]) -> list[Block]:
    """One data report where all runs were trained on the same data, else one after the other."""
    different = {run.config["data"]["data"]: run for run in reversed(runs)}
    return [block for run in reversed(different.values()) for block in parts.data(store, run)]


def _differences(runs: Sequence[Run], names: Sequence[str]) -> list[Block]:
    table = frames.settings_that_differ(runs)
    if table.empty:
        return [Text(t("report.no_difference"))]
    rows = [[str(leaf), *(str(value) for value in table.loc[leaf])] for leaf in table.index]
    return [Table([t("report.setting"), *names], rows, caption=t("report.differences"))]
