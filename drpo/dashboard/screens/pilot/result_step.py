"""A pilot's third step: effect, risk and cost, each with its interval."""

from __future__ import annotations

import html

import pandas as pd
import streamlit as st

from drpo import metrics
from drpo.charts import compare_charts
from drpo.charts.compare_charts import RunGroup
from drpo.dashboard import client, navigation
from drpo.dashboard.client.analysis import (
    METRIC,
    Comparison,
    Interval,
    PairedDifference,
    mean_over_seeds,
)
from drpo.dashboard.client.analysis import verdict_words as say
from drpo.dashboard.client.data import table_csv
from drpo.dashboard.client.pilot import ARMS, ArmResult, Pilot, PilotResult
from drpo.dashboard.components.hero import draw_hero, gauge
from drpo.dashboard.components.live_chart import live_chart
from drpo.dashboard.components.notices import notice
from drpo.dashboard.state import metric_series
from drpo.i18n import t
from drpo.i18n.format import count, duration, number

_MEANING = {"better": "gold", "worse": "alarm", "open": "start"}


def show_result(one: Pilot) -> None:
    """Step 3: what resets brought, what they risked, what they cost."""
    result = client.pilot.result_of(one)
    if not result.seeds or result.judge is None:
        st.write(t("pilot.no_pairs"))
        return
    if len(result.seeds) < len(one.seeds):
        notice(
            "note",
            t("pilot.some_pairs", done=count(len(result.seeds)), planned=count(len(one.seeds))),
        )
    _hero(result)
    for text in cautions(result):
        notice("note", text)
    _curves(one, result)
    st.subheader(f"{t('pilot.effect')} · {t('pilot.risk')} · {t('pilot.cost')}")
    table = result_table(result)
    st.dataframe(table, hide_index=True)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            t("pilot.download"),
            table_csv(table).encode(),
            f"pilot-{one.id}.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
        )
        ids = [run.id for arm in (result.resets, result.plain) for run in arm.runs][:6]
        st.page_link(
            navigation.path("report"),
            label=t("pilot.report"),
            icon=":material/description:",
            query_params={"runs": ",".join(ids)},
        )


def _hero(result: PilotResult) -> None:
    meaning = _MEANING[result.call]
    head = f"{say.SYMBOL[result.call]} {t(f'pilot.effect_{result.call}')}"
    parts = [
        f'<p class="call">{html.escape(head)}</p>',
        f'<p class="said">{html.escape(effect_sentence(result))}</p>',
    ]
    if result.head_to_head is not None:
        sentence = say.preferred(result.head_to_head, "plain")
        parts += [
            f'<p class="by">{html.escape(sentence)}</p>',
            gauge(result.head_to_head, t("pilot.arm_plain"), t("pilot.arm_resets")),
        ]
    draw_hero(meaning, parts)


def effect_sentence(result: PilotResult) -> str:
    """The difference that resets made, with its interval, as one sentence."""
    effect = result.effect.t
    ranged = say.between(effect, sign=True)
    return t(
        f"pilot.effect_{result.judge}",
        gain=number(effect.value, sign=True),
        n=count(len(result.seeds)),
        range=ranged,
    )


def cautions(result: PilotResult) -> list[str]:
    """What keeps the result from being taken at face value."""
    found = []
    if len(result.seeds) == 1:
        found.append(t("pilot.one_pair"))
    elif result.call == "open":
        found.append(t("pilot.open_help"))
    if result.judge == "reward_model":
        found.append(t("pilot.effect_caution"))
    return found


def _curves(one: Pilot, result: PilotResult) -> None:
    metric = METRIC[result.judge] if result.judge else metrics.EVAL_SCORES
    lines = [
        RunGroup(
            t(f"pilot.arm_{arm}"), [metric_series.feed(run.id) for run in of_arm(result, arm).runs]
        )
        for arm in ARMS
    ]
    st.caption(t("pilot.curves"))
    live_chart(
        compare_charts.over_steps(lines, metric),
        key="pilot_curves",
        revision=one.id,
        alt=t("pilot.curves_alt"),
        height=360,
    )


def of_arm(result: PilotResult, arm: client.pilot.Arm) -> ArmResult:
    """One arm's side of the result."""
    return result.resets if arm == "resets" else result.plain


def result_table(result: PilotResult) -> pd.DataFrame:
    """Both arms side by side with their paired differences, as text with intervals."""
    arms = (result.resets, result.plain)
    rows = [
        (
            t("pilot.row_final"),
            *(_mean(mean_over_seeds(arm.finals)) for arm in arms),
            _gap(result.effect),
        ),
        (
            t("pilot.row_start"),
            *(_rate(arm.against_start) for arm in arms),
            "",
        ),
        (
            t("pilot.row_duel"),
            "",
            "",
            _rate(result.head_to_head),
        ),
        (
            t("pilot.row_kl"),
            *(
                _mean(mean_over_seeds([r.kl for r in arm.risks if r.kl is not None]))
                for arm in arms
            ),
            _gap(result.kl_difference),
        ),
        (
            t("pilot.row_alarms"),
            *(count(sum(len(risk.alarms) for risk in arm.risks)) for arm in arms),
            "",
        ),
        (
            t("pilot.row_seconds"),
            *(duration(mean_over_seeds(arm.seconds).value) for arm in arms),
            _gap(result.seconds_difference, " s"),
        ),
        (
            t("pilot.row_episodes"),
            *(count(max(arm.episodes, default=0)) for arm in arms),
            "",
        ),
    ]
    columns = [t("pilot.measure"), *(t(f"pilot.arm_{arm}") for arm in ARMS), t("pilot.difference")]
    return pd.DataFrame(rows, columns=columns)


def _mean(interval: Interval) -> str:
    return f"{number(interval.value)} ({say.between(interval)})"


def _rate(one: Comparison | None) -> str:
    if one is None:
        return "–"
    return f"{say.percent(one.rate.value)} ({say.between_shares(one.rate)})"


def _gap(difference: PairedDifference, unit: str = "") -> str:
    interval = difference.t
    return f"{number(interval.value, sign=True)}{unit} ({say.between(interval, sign=True)})"
