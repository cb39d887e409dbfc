"""What the votes of a review say: sentences, a picture, tables, and the votes to take along."""

from __future__ import annotations

import html
import json

import pandas as pd
import streamlit as st

from drpo.charts import review_charts
from drpo.dashboard import client
from drpo.dashboard.client.analysis import Interval
from drpo.dashboard.client.data import table_csv
from drpo.dashboard.client.review import Duel, Results, Review
from drpo.dashboard.components.live_chart import live_chart
from drpo.dashboard.components.notices import notice, show_problem
from drpo.dashboard.state.relabel import relabel
from drpo.errors import DrpoError
from drpo.i18n import t
from drpo.i18n.format import MINUS, count, number, share


def show_result(review: Review) -> None:
    """Show everything the votes say."""
    found = client.review.results(review.id)
    client.review.warn(found)
    if not found.reviewers:
        st.write(t("review.no_votes"))
        return
    st.caption(t("review.sway"))
    for duel in found.duels:
        _sentences(duel)
    live_chart(
        review_charts.whiskers(found.duels),
        key="review_rates",
        revision=review.id,
        height=150 + 96 * len(found.duels),
        alt=t("review.chart_alt"),
    )
    if found.identical:
        st.caption(t("review.identical", count=count(found.identical)))
    if len(review.sources) > 2:
        st.subheader(t("review.ranking"))
        st.caption(t("review.ranking_help"))
        show_table(ranking_table(found, review), "ranking", review)
    st.subheader(t("review.reviewers"))
    st.text(agreement_sentence(found))
    for person in found.reviewers:
        if person.bias.status == "biased":
            sentence = t("review.biased", name=person.name, share=share(person.bias.left.value))
            notice("warning", sentence)
    show_table(reviewers_table(found), "reviewers", review)
    _slices(review)
    _offer_votes(review)


def _sentences(duel: Duel) -> None:
    # Escaped: a source's label is a run's name, and those may hold anything.
    sentence = html.escape(win_rate_sentence(duel))
    st.html(f'<p style="font-size:1.35rem;font-weight:600;margin:0">{sentence}</p>')
    st.caption(votes_needed_sentence(duel))
    if duel.gap.value is not None:
        notice("warning" if shows_reward_hacking(duel) else "note", gap_sentence(duel))


def shows_reward_hacking(duel: Duel) -> bool:
    """Whether the reward model sees a gain that people do not.

    People waver where a model does not, so a smaller share of their votes is no sign as long as
    they prefer the same side.
    """
    agreed = duel.human.low is not None and duel.human.low > 0.5
    return duel.gap.excludes(0) and (duel.gap.value or 0.0) > 0 and not agreed


def gap_sentence(duel: Duel) -> str:
    """How far the reward model's word is from people's, in percentage points."""
    gap = duel.gap
    value, low, high = (
        count(round(100 * (part or 0.0))) for part in (gap.value, gap.low, gap.high)
    )
    if not gap.excludes(0):
        return t("review.gap_none", gap=value, low=low, high=high)
    subject = duel.subject.label
    if shows_reward_hacking(duel):
        return t("review.gap_hacked", subject=subject, gap=value, low=low, high=high)
    key = "review.gap_more" if (gap.value or 0.0) > 0 else "review.gap_less"
    size = value.lstrip(MINUS)
    return t(key, subject=subject, gap=size, low=low, high=high)


def win_rate_sentence(duel: Duel) -> str:
    """The human win rate of a pair, in a sentence."""
    if duel.human.value is None:
        return t("review.against", subject=duel.subject.label, other=duel.other.label)
    return t(
        "review.win_rate",
        subject=duel.subject.label,
        other=duel.other.label,
        rate=share(duel.human.value),
        n=count(duel.votes),
        low=share(duel.human.low),
        high=share(duel.human.high),
    )


def votes_needed_sentence(duel: Duel) -> str:
    """How far a decision still is."""
    status = duel.needed.status
    if status == "open":
        return t("review.needed_open", more=count(duel.needed.more or 0))
    if status == "too_close":
        return t("review.needed_too_close", cap=count(duel.needed.cap))
    return t("review.needed_decided" if status == "decided" else "review.needed_no_votes")


def agreement_sentence(found: Results) -> str:
    """How far the reviewers agree."""
    agreement = found.agreement
    if agreement.status == "known":
        alpha = agreement.alpha
        return t(
            "review.agreement",
            alpha=number(alpha.value),
            low=number(alpha.low),
            high=number(alpha.high),
        )
    if agreement.status == "no_overlap":
        return t("review.agreement_no_overlap")
    return t("review.agreement_no_variation")


def ranking_table(found: Results, review: Review) -> pd.DataFrame:
    """Strengths of all sources with intervals, strongest first."""
    labels = {source.key: source.label for source in review.sources}
    rows = [(labels[s.name], *_rounded(s.strength), s.comparisons) for s in found.ranking.scores]
    names = [t(f"review.col_{name}") for name in ("name", "score", "low", "high", "votes")]
    return pd.DataFrame(rows, columns=names)


def reviewers_table(found: Results) -> pd.DataFrame:
    """One row for each person."""
    rows = [
        (
            person.name,
            person.judged,
            person.skipped,
            _percent(person.consistency.same.value),
            _percent(person.bias.left.value),
            person.seconds,
        )
        for person in found.reviewers
    ]
    columns = ("name", "votes", "skipped", "same", "left", "seconds")
    return pd.DataFrame(rows, columns=[t(f"review.col_{name}") for name in columns])


def slices_table(review: Review, subject: int, other: int) -> pd.DataFrame:
    """The human win rate by length and prompt."""
    rows = []
    for part in client.review.slices(review.id, subject, other):
        name = part.name if part.kind == "prompt" else t(f"review.{part.name}")
        rate = part.human
        figures = (_percent(rate.value), _percent(rate.low), _percent(rate.high), rate.n)
        rows.append((t(f"review.slice_{part.kind}"), name, *figures))
    columns = ("kind", "name", "rate", "low", "high", "votes")
    return pd.DataFrame(rows, columns=[t(f"review.col_{name}") for name in columns])


def show_table(frame: pd.DataFrame, key: str, review: Review) -> None:
    """Show a table and let it be downloaded."""
    st.dataframe(frame, hide_index=True, key=key, alt=key)
    st.download_button(
        "CSV",
        table_csv(frame).encode(),
        f"{review.id}-{key}.csv",
        "text/csv",
        key=f"{key}_csv",
        on_click="ignore",
        icon=":material/download:",
        type="tertiary",
    )


def _slices(review: Review) -> None:
    st.subheader(t("review.slices"))
    places = range(len(review.sources))
    pairs = [(subject, other) for subject in places for other in range(subject)]
    labels = [source.label for source in review.sources]
    names = [t("review.against", subject=labels[one], other=labels[two]) for one, two in pairs]
    relabel("pair")
    chosen = st.selectbox(
        t("review.pair"), list(range(len(pairs))), key="pair", format_func=lambda at: names[at]
    )
    show_table(slices_table(review, *pairs[chosen or 0]), "slices", review)


def _offer_votes(review: Review) -> None:
    st.subheader(t("review.take"))
    st.write(t("review.take_help"))
    try:
        rows = client.review.preference_rows(review.id)
    except DrpoError as error:
        st.text(str(error))
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for suffix in (".jsonl", ".parquet"):
            st.download_button(
                suffix[1:].upper(),
                client.review.preference_file(rows, suffix),
                f"{review.id}{suffix}",
                key=f"votes{suffix}",
                on_click="ignore",
                icon=":material/download:",
            )
        whole = json.dumps(client.review.results(review.id).to_dict(), ensure_ascii=False)
        st.download_button(
            "JSON",
            whole.encode(),
            f"{review.id}-result.json",
            key="result_json",
            on_click="ignore",
            icon=":material/download:",
        )
    with st.form("save_votes", border=False):
        name = st.text_input(t("review.save_as"), value=review.name, max_chars=100)
        if st.form_submit_button(t("review.save"), key="save_preferences"):
            _save(name, review)


def _save(name: str, review: Review) -> None:
    try:
        version = client.review.save_preferences(review.id, name)
    except DrpoError as error:
        show_problem(error)
        return
    rows = count(version.rows)
    notice("done", t("review.saved", name=version.name, version=version.version, rows=rows))


def _percent(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 1)


def _rounded(interval: Interval) -> list[float | None]:
    parts = (interval.value, interval.low, interval.high)
    return [None if part is None else round(part, 2) for part in parts]
