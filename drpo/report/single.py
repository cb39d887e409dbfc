"""The report on one run."""

from __future__ import annotations

from collections.abc import Sequence

from drpo.analysis import verdict_words as say
from drpo.analysis.key_figures import key_figures, risk_lines
from drpo.analysis.metric_series import Feed
from drpo.analysis.progress import axis_end
from drpo.analysis.verdict import Verdict, verdict_of
from drpo.charts import run_charts
from drpo.charts.annotations import annotations_of
from drpo.evaluation.frontier import overoptimization, points
from drpo.i18n import LANGUAGES, language, spoken, t
from drpo.i18n.format import count, duration, number
from drpo.report import parts
from drpo.report.blocks import Block, Chart, Facts, PromptCards, Report, Section, Text
from drpo.report.cards import PromptCard, data_answer, policy_answer
from drpo.store import Store
from drpo.store.schema import Run, SampleRow

PROMPTS = 6
EPISODES = 4


def describe_run(store: Store, run: Run) -> Report:
    """Gather everything there is to say of one run, in the language spoken now."""
    verdict = verdict_of(store, run)
    feed = Feed(store, run.id).refresh()
    sections = [
        Section("verdict", t("report.verdict"), verdict_blocks(verdict)),
        Section("curves", t("report.curves"), _curves(run, feed)),
        Section("frontier", t("report.frontier"), _frontier(store, run, feed)),
        Section("answers", t("report.answers"), _answers(store, run)),
        Section("resets", t("report.resets"), _episodes(store, run)),
        Section("data", t("report.data"), parts.data(store, run)),
        Section("settings", t("report.settings"), parts.settings(run, feed.events)),
        Section("alarms", t("report.alarms"), parts.alarms([verdict])),
        Section("versions", t("report.versions"), parts.versions(store, [run])),
    ]
    return Report(
        lang=language(),
        title=run.name,
        subtitle=parts.when(run),
        sections=[section for section in sections if section.blocks],
    )


def verdict_blocks(verdict: Verdict) -> list[Block]:
    """The verdict in large, in the other language too, its three numbers, and how sure it is."""
    blocks: list[Block] = [Text(say.in_full(verdict), "lead")]
    for other in LANGUAGES:
        if other != language():
            with spoken(other):
                blocks.append(Text(say.sentence(verdict), "note"))
    if verdict.main is not None:
        blocks.append(Text(f"{say.judged_by(verdict)} {say.tally(verdict.main)}"))
    figures = key_figures(verdict)
    if figures:
        blocks.append(Facts([(one.label, one.value, one.note) for one in figures]))
    blocks += [Text(text, "warning" if alarm else "plain") for text, alarm in risk_lines(verdict)]
    blocks.append(Text(f"{t('overview.cost')}: {say.cost_told(verdict.cost)}"))
    if verdict.run.error:
        blocks.append(Text(verdict.run.error, "warning"))
    return blocks


def _curves(run: Run, feed: Feed) -> list[Block]:
    if not feed.measured:
        return [Text(t("report.no_metrics"))]
    annotations = annotations_of(feed.events)
    until = axis_end(run)
    figures = (
        (run_charts.reward(feed, until=until, annotations=annotations), "report.alt_reward", 460),
        (run_charts.kl(feed, until=until, annotations=annotations), "report.alt_kl", 460),
        (run_charts.lengths(feed, until=until, annotations=annotations), "report.alt_lengths", 420),
    )
    numbers = parts.evaluations(feed)
    blocks: list[Block] = [
        Chart(figure, t(key, name=run.name), numbers, height)
        for figure, key, height in figures
        if figure["data"]
    ]
    return [*blocks, numbers]


def _frontier(store: Store, run: Run, feed: Feed) -> list[Block]:
    figure = run_charts.path(feed)
    if not figure["data"]:
        return []
    known = points(store, [run.id])
    blocks: list[Block] = [
        Text(t("report.frontier_help")),
        Chart(figure, t("report.alt_frontier", name=run.name), parts.frontier_table(known), 420),
    ]
    gold = [point.gold for point in known if point.gold is not None]
    if len(gold) == len(known) and known:
        fitted = overoptimization([point.kl for point in known], gold, start=gold[0])
        if fitted and fitted.peak_kl is not None and fitted.peak_seen:
            blocks.append(Text(t("report.peak", kl=number(fitted.peak_kl)), "warning"))
        elif fitted:
            blocks.append(Text(t("report.no_peak")))
    return blocks


def _answers(store: Store, run: Run) -> list[Block]:
    steps = store.samples.steps(run.id)
    if not steps:
        return [Text(t("report.no_answers"))]
    first = {sample.item: sample for sample in store.samples.at(run.id, steps[0])}
    last = store.samples.at(run.id, steps[-1])[:PROMPTS]
    cards = [
        _card(number_, sample, first.get(sample.item), steps)
        for number_, sample in enumerate(last, start=1)
    ]
    return [Text(t("report.answers_help", count=count(len(cards)))), PromptCards(cards)]


def _card(place: int, now: SampleRow, before: SampleRow | None, steps: Sequence[int]) -> PromptCard:
    answers = [policy_answer(now, t("report.at_update", step=count(now.step)))]
    if before is not None and len(steps) > 1:
        answers.append(policy_answer(before, t("report.at_start")))
    from_data = data_answer(now)
    if from_data is not None:
        answers.append(from_data)
    return PromptCard(f"prompt-{place}", t("report.prompt", number=place), now.prompt, answers)


def _episodes(store: Store, run: Run) -> list[Block]:
    """Episodes of the last update that were reset, where they began marked apart."""
    last = store.samples.last_step(run.id, "episode")
    if last is None:
        return []
    resets = [row for row in store.samples.at(run.id, last, "episode") if row.start == "reset"]
    if not resets:
        return [Text(t("report.no_resets"))]
    cards = [
        PromptCard(
            f"episode-{place}",
            t("report.episode", number=place, kept=row.prefix_tokens, of=row.offline_tokens),
            row.prompt,
            [policy_answer(row, t("report.went_on"))],
        )
        for place, row in enumerate(resets[:EPISODES], start=1)
    ]
    return [Text(t("report.resets_help", step=count(last))), PromptCards(cards)]


def headline_row(verdict: Verdict) -> list[str]:
    """One run as a row of a table of verdicts."""
    main, change, risk = verdict.main, verdict.change, verdict.risk
    return [
        verdict.run.name,
        say.headline(verdict),
        "–" if main is None else say.percent(main.rate.value),
        "–" if main is None else say.between_shares(main.rate),
        "–" if change is None else number(change.gain.value, sign=True),
        number(risk.kl),
        count(len(risk.alarms)),
        duration(verdict.cost.seconds),
    ]
