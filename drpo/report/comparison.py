"""The report on several runs: the first is what the others are held against."""

from __future__ import annotations

from collections.abc import Sequence

from drpo import metrics
from drpo.analysis import verdict_words as say
from drpo.analysis.differences import settings_that_differ
from drpo.analysis.head_to_head import JUDGES
from drpo.analysis.metric_series import Feed
from drpo.analysis.verdict import Verdict, head_to_head, verdict_of
from drpo.charts import compare_charts, frontier_chart
from drpo.charts.compare_charts import RunGroup
from drpo.evaluation.frontier import points
from drpo.i18n import language, t
from drpo.i18n.format import bare, count, distinct_names
from drpo.metrics import words
from drpo.report import parts
from drpo.report.blocks import Block, Chart, PromptCards, Report, Section, Table, Text
from drpo.report.cards import Answer, PromptCard, data_answer, policy_answer
from drpo.report.single import headline_row
from drpo.store import Store
from drpo.store.schema import Run

PROMPTS = 4


def compare_runs(store: Store, runs: Sequence[Run]) -> Report:
    """Gather everything there is to say of runs side by side, in the language spoken now."""
    verdicts = [verdict_of(store, run) for run in runs]
    feeds = [Feed(store, run.id).refresh() for run in runs]
    names = distinct_names([run.name for run in runs], [run.id for run in runs])
    interventions: list[Block] = []
    for name, feed in zip(names, feeds, strict=True):
        interventions += [
            block for block in parts.interventions(feed.events, name) if isinstance(block, Table)
        ]
    sections = [
        Section("verdict", t("report.verdict"), _verdicts(store, verdicts, names)),
        Section("curves", t("report.curves"), _curves(feeds, names)),
        Section("frontier", t("report.frontier"), _frontier(store, runs, feeds, names)),
        Section("answers", t("report.answers"), _answers(store, runs, names)),
        Section("data", t("report.data"), _data(store, runs)),
        Section(
            "settings", t("report.settings"), [*_differences(runs, feeds, names), *interventions]
        ),
        Section("alarms", t("report.alarms"), parts.alarms(verdicts, names)),
        Section("versions", t("report.versions"), parts.versions(store, runs, names)),
    ]
    return Report(
        lang=language(),
        title=t("report.comparison", count=count(len(runs))),
        subtitle="; ".join(parts.when(run) for run in runs),
        sections=[section for section in sections if section.blocks],
    )


def _verdicts(store: Store, verdicts: Sequence[Verdict], names: Sequence[str]) -> list[Block]:
    head = [
        t("report.run"),
        *(
            t(f"report.column_{name}")
            for name in ("call", "rate", "interval", "gain", "kl", "alarms", "time")
        ),
    ]
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
        duels = (head_to_head(store, verdict.run, verdicts[0].run, judge) for judge in JUDGES)
        duel = next(filter(None, duels), None)  # by the strongest judge that knows both
        if duel is not None:
            sentence = t(
                f"report.duel_{duel.source}",
                one=name,
                other=names[0],
                rate=say.percent(duel.rate.value),
                n=count(duel.rate.n),
                low=bare(duel.rate.low),
                high=say.percent(duel.rate.high),
            )
            blocks.append(Text(sentence))
    return blocks


def _curves(feeds: Sequence[Feed], names: Sequence[str]) -> list[Block]:
    rows = []
    for name, feed in zip(names, feeds, strict=True):
        rows += [[name, *row] for row in parts.evaluations(feed).rows]
    if not rows:
        return [Text(t("report.no_metrics"))]
    heads = [parts.evaluations(feed).head for feed in feeds]
    numbers = Table(
        [t("report.run"), *max(heads, key=len)],
        _even(rows),
        caption=t("report.evaluations"),
        folded=True,
    )
    blocks: list[Block] = []
    for metric in metrics.OUTCOME:
        if any(len(feed.get(metric)) for feed in feeds):
            figure = compare_charts.over_steps(_compared(feeds, names), metric)
            alt = t("report.alt_overlay", what=words.title(metric))
            blocks.append(Chart(figure, alt, numbers, 320))
    return [*blocks, numbers]


def _even(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Rows of one width: runs without a gold score have a column less."""
    width = max(map(len, rows))
    return [[*row, *(["–"] * (width - len(row)))] for row in rows]


def _frontier(
    store: Store, runs: Sequence[Run], feeds: Sequence[Feed], names: Sequence[str]
) -> list[Block]:
    gold = all(len(feed.get(metrics.EVAL_GOLD)) for feed in feeds)
    reward = metrics.EVAL_GOLD if gold else metrics.EVAL_SCORES
    figure = frontier_chart.frontier(_compared(feeds, names), reward)
    if not figure["data"]:
        return []
    by_id = {run.id: name for run, name in zip(runs, names, strict=True)}
    numbers = parts.frontier_table(points(store, list(by_id)), by_id)
    return [
        Text(t("report.frontier_help")),
        Chart(figure, t("report.alt_overlay_frontier"), numbers, 440),
        numbers,
    ]


def _compared(feeds: Sequence[Feed], names: Sequence[str]) -> list[RunGroup]:
    return [RunGroup(name, [feed]) for name, feed in zip(names, feeds, strict=True)]


def _answers(store: Store, runs: Sequence[Run], names: Sequence[str]) -> list[Block]:
    prompts: dict[str, list[Answer]] = {}
    from_data: dict[str, Answer] = {}
    for run, name in zip(runs, names, strict=True):
        for sample in store.samples.at(run.id, store.samples.last_step(run.id) or 0):
            prompts.setdefault(sample.prompt, []).append(policy_answer(sample, name))
            chosen = data_answer(sample)
            if chosen is not None:
                from_data.setdefault(sample.prompt, chosen)
    shared = [prompt for prompt, answers in prompts.items() if len(answers) == len(runs)]
    if not shared:
        return [Text(t("report.no_shared_prompts"))]
    cards = [
        PromptCard(
            f"prompt-{place}",
            t("report.prompt", number=place),
            prompt,
            [*prompts[prompt], *([from_data[prompt]] if prompt in from_data else [])],
        )
        for place, prompt in enumerate(shared[:PROMPTS], start=1)
    ]
    return [PromptCards(cards)]


def _data(store: Store, runs: Sequence[Run]) -> list[Block]:
    """One data report where all runs were trained on the same data, else one after the other."""
    saved = [parts.version_of(store, run) for run in runs]
    # A bare name and `name:1` may be one version, and a bare name two, of runs made apart.
    different = {
        run.config["data"]["data"] if version is None else version.id: run
        for run, version in zip(reversed(runs), reversed(saved), strict=True)
    }
    return [block for run in reversed(different.values()) for block in parts.data(store, run)]


def _differences(runs: Sequence[Run], feeds: Sequence[Feed], names: Sequence[str]) -> list[Block]:
    table = settings_that_differ(runs, feeds)
    if table.empty:
        return [Text(t("report.no_difference"))]
    rows = [[str(leaf), *(str(value) for value in table.loc[leaf])] for leaf in table.index]
    return [Table([t("report.setting"), *names], rows, caption=t("report.differences"))]
