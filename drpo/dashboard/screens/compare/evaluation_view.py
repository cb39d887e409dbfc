"""Runs on the same footing: evaluated in a process of its own, read from the store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from drpo import metrics
from drpo.charts import compare_charts, figures
from drpo.charts.compare_charts import RunGroup
from drpo.charts.figures import Figure, Panel, Trace
from drpo.charts.palette import DASHES
from drpo.charts.run_charts import at_common_steps
from drpo.dashboard import client
from drpo.dashboard.client.analysis import Feed
from drpo.dashboard.client.evaluation import overoptimization, standing_step, wording
from drpo.dashboard.client.playground import sources_of
from drpo.dashboard.client.store import Run, workspace
from drpo.dashboard.components.live_chart import live_chart
from drpo.dashboard.components.notices import guarded, notice
from drpo.dashboard.screens.compare import view
from drpo.dashboard.state import metric_series
from drpo.i18n import format, t
from drpo.i18n.format import bare, distinct_names, number
from drpo.metrics import words

FIGURES = (
    *metrics.REWARDS,
    *(name for name in metrics.COMPARED if name not in metrics.REWARDS),
)
Document = Mapping[str, Any]


def evaluation(runs: Sequence[Run]) -> None:
    """The results known of some runs, and the button that gets them."""
    st.subheader(t("evaluation.title"))
    st.caption(t("evaluation.help"))
    over = [run for run in runs if not metric_series.is_live(run) and step_of(run) is not None]
    if not over:
        st.caption(t("evaluation.unfinished"))
        return
    known = known_of(over)
    if _watch(over, again=len(known) == len(over)):
        known = known_of(over)
    if not known:
        st.caption(t("evaluation.none"))
        return
    if len({repr(sorted(body["terms"].items())) for body in known.values()}) > 1:
        notice("warning", t("evaluation.different"))
    names = _names(over)
    st.dataframe(table(known, names), key="evaluated", alt=t("evaluation.title"))
    for sentence in duels(known, names):
        st.text(sentence)


def _names(runs: Sequence[Run]) -> dict[str, str]:
    """What each run is called here, by its id."""
    ids = [run.id for run in runs]
    return dict(zip(ids, distinct_names([run.name for run in runs], ids), strict=True))


def known_of(runs: Sequence[Run]) -> dict[str, Document]:
    """The kept evaluation of the policy that stands for each run, where there is one."""
    found: dict[str, Document] = {}
    for run in runs:
        step = step_of(run)
        body = None if step is None else client.evaluation.evaluation_of(run.id, step)
        if body is not None:
            found[run.id] = body
    return found


def step_of(run: Run) -> int | None:
    """The step whose policy stands for a run; None before there is one to evaluate."""
    return standing_step(run, [source.step for source in sources_of(run) if source.step > 0])


def table(known: Mapping[str, Document], names: Mapping[str, str]) -> pd.DataFrame:
    """A column for each run behind its start policy's; texts, with error or interval.

    Args:
        known: Evaluations, by run.
        names: What the runs are called, no two the same.
    """
    columns: dict[str, dict[str, str]] = {}
    shared = len({repr(body["start"]) for body in known.values()}) == 1
    for run_id, body in known.items():
        name = names[run_id]
        start = t("evaluation.start") if shared else t("evaluation.start_of", name=name)
        columns[start] = _figures(body["start"])
        rates = {
            _rate_title(rate): _interval(rate)
            for rate in body["win_rates"]
            if rate["value"] is not None
        }
        # A run may be called what the start policy's column is.
        label = f"{name} · {run_id[-6:]}" if name in columns else name
        columns[label] = {**_figures(body["figures"]), **rates}
    return pd.DataFrame(columns).fillna("").rename_axis(t("evaluation.figure"))


def duels(known: Mapping[str, Document], names: Mapping[str, str]) -> list[str]:
    """How these runs fare against each other, as sentences."""
    keys = {f"{run_id}@{body['step']}": names[run_id] for run_id, body in known.items()}
    judges = dict.fromkeys(rate["judge"] for body in known.values() for rate in body["win_rates"])
    sentences = []
    for subject, subject_name in keys.items():
        for other, other_name in keys.items():
            for judge in judges:
                body = client.evaluation.comparison_of(subject, other, judge)
                if body and body["value"] is not None:
                    sentences.append(wording.preferred(subject_name, other_name, body))
    return sentences


def over_optimisation(runs: Sequence[Run], feeds: Sequence[Feed], *, revision: str) -> None:
    """True against learned score, and where the one turned down; nothing without a true score."""
    # As Compare's other charts, by the switch above them.
    joined = bool(st.session_state.get("by_seed"))
    lines = view.lines_of(runs, feeds, by_seed=joined)[: view.MOST]
    figure = true_against_learned(lines)
    if not figure["data"]:
        return
    st.subheader(t("evaluation.over_title"))
    st.caption(t("evaluation.over_help"))
    live_chart(
        figure,
        key="over_optimisation",
        revision=revision,
        height=400,
        alt=t("evaluation.over_help"),
    )
    names = _names(runs)
    for run, feed in zip(runs, feeds, strict=True):
        _, kl, gold = at_common_steps(feed.get(metrics.EVAL_KL), feed.get(metrics.EVAL_GOLD))
        # The first evaluation is that of the start policy.
        start = float(gold[0]) if len(gold) else 0.0
        curve = overoptimization(kl.tolist(), gold.tolist(), start=start)
        if curve is not None:
            st.text(wording.turning_point(names[run.id], curve))


def true_against_learned(lines: Sequence[RunGroup]) -> Figure:
    """Each line as a path over its evaluations, of several seeds their mean.

    The learned score is across, the true score up.
    """
    traces: list[Trace] = []
    ends: list[tuple[int, float, str]] = []
    for index, run in enumerate(lines):
        learned = compare_charts.mean_and_error(run, metrics.EVAL_SCORES)[0]
        steps, x, y = at_common_steps(
            learned, compare_charts.mean_and_error(run, metrics.EVAL_GOLD)[0]
        )
        if not len(steps):
            continue
        label, colour = compare_charts.chart_label(run.label), f"@run-{index % 6}"
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": label,
                "showlegend": False,
                "uid": str(index),
                "x": figures.packed(x),
                "y": figures.packed(y),
                "customdata": steps.tolist(),
                "cliponaxis": False,
                "line": {"color": colour, "width": 1.5, "dash": DASHES[index % 6]},
                "marker": {
                    "color": colour,
                    "size": 8,
                    "symbol": ["diamond-open" if step == 0 else "circle" for step in steps],
                },
                "hovertemplate": f"{label}, {t('charts.update')} %{{customdata}}: %{{y:.3~g}}"
                f"<extra>{words.title(metrics.EVAL_SCORES)} %{{x:.3~g}}</extra>",
            }
        )
        ends.append((index, float(y[-1]), label))
    figure = figures.panels(
        [Panel(*words.heading(metrics.EVAL_GOLD), traces)],
        x_title=words.title(metrics.EVAL_SCORES),
        legend=False,
    )
    figure["layout"]["hovermode"] = "closest"
    compare_charts.label_ends(figure, ends)
    return figure


def _watch(runs: Sequence[Run], *, again: bool) -> bool:
    """Offer the evaluation, show how it stands; say whether it is done."""
    folder = _folder(runs)
    status = client.evaluation.job_status(folder)
    if status.state == "running":
        _progress(folder)
        return False
    if status.state == "stopped":
        notice("note", t("evaluation.stopped"))
    if status.state == "failed":
        notice("problem", status.error or t("evaluation.bug"))
    if st.button(
        t("evaluation.again" if again else "evaluation.go"),
        key="evaluate",
        type="secondary" if again else "primary",
        icon=":material/rule:",
        disabled=not client.access.may("launch"),
    ):
        client.evaluation.start_job(folder, [f"{run.id}@{step_of(run)}" for run in runs])
        st.rerun()
    return status.state == "done"


@st.fragment(run_every=1)
@guarded
def _progress(folder: Path) -> None:
    status = client.evaluation.job_status(folder)
    if status.state != "running":
        st.rerun()
    stage = wording.stage_name(status.stage)
    passed = format.duration(status.seconds)
    words = t("evaluation.progress_open", stage=stage, time=passed)
    if status.total:
        words = t(
            "evaluation.progress",
            stage=stage,
            done=format.count(status.done),
            total=format.count(status.total),
            time=passed,
        )
    st.progress(status.done / status.total if status.total else 0.0, text=words)
    if st.button(t("evaluation.stop"), key="evaluation_stop", icon=":material/stop:"):
        client.evaluation.stop_job(folder)
        st.rerun()


def _folder(runs: Sequence[Run]) -> Path:
    """One folder for one choice of runs, so that a refreshed or shared screen finds it again."""
    names = ",".join(sorted(run.id for run in runs))
    return workspace() / "evaluations" / hashlib.sha256(names.encode()).hexdigest()[:16]


def _figures(values: Mapping[str, float]) -> dict[str, str]:
    shown = {}
    for name in FIGURES:
        value, error = metrics.read(values, name), metrics.read(values, metrics.error_of(name))
        if value is None:
            continue
        # Shares are shown as per cent.
        scale = 100 if metrics.of(name).unit == "share" else 1
        text = number(scale * value)
        shown[t(f"evaluation.figure_{metrics.short(name)}")] = (
            text if error is None else f"{text} ± {number(scale * error)}"
        )
    return shown


def _rate_title(rate: Mapping[str, Any]) -> str:
    what = t(f"evaluation.against_{rate['against']}")
    if rate["judge"] in wording.OWN_JUDGES:
        return t(f"evaluation.by_{rate['judge']}", what=what)
    return t("evaluation.by_other", what=what, judge=rate["judge"])


def _interval(rate: Mapping[str, Any]) -> str:
    value, low, high = (bare(rate[part]) for part in ("value", "low", "high"))
    return f"{value} ({low}–{high})"
