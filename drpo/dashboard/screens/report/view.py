"""What a report is asked for: runs, language and format; the file, and what is in it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.client.analysis import key_figures, verdict_of
from drpo.dashboard.client.report import MOST_RUNS, Format, file_name
from drpo.dashboard.client.store import Run
from drpo.dashboard.components.hero import show_key_figures
from drpo.dashboard.components.run_choice import label
from drpo.dashboard.components.verdict_summary import show_verdict
from drpo.dashboard.state import url_state
from drpo.i18n import LANGUAGES, Language, language, t

FORMATS: tuple[Format, ...] = ("html", "md")


def choose_runs(runs: Mapping[str, Run]) -> list[str]:
    """Choose what the report is on; the choice stands in the URL."""
    finished = [run.id for run in runs.values() if run.status == "finished"]
    names = {run.id: label(run) for run in runs.values()}
    # A link from another screen names one run, as every screen does.
    named = url_state.asked("run")
    url_state.recall_many("runs", list(runs), [named] if named in runs else finished[:1], MOST_RUNS)
    chosen = st.multiselect(
        t("report.runs"),
        list(runs),
        key="runs",
        format_func=lambda run_id: names.get(run_id, run_id),
        max_selections=MOST_RUNS,
    )
    url_state.record("runs", chosen)
    return list(chosen)


def choose_form() -> tuple[Language, Format]:
    """Choose the file's language and format; both stand in the URL."""
    with st.container(horizontal=True, gap="large"):
        url_state.recall("in", LANGUAGES, language())
        lang = st.radio(
            t("report.file_language"),
            LANGUAGES,
            key="in",
            horizontal=True,
            format_func=lambda code: {"en": "English", "ja": "日本語"}[code],
        )
        url_state.record("in", lang, language())
        url_state.recall("as", FORMATS, "html")
        kind = st.radio(
            t("report.format"),
            FORMATS,
            key="as",
            horizontal=True,
            format_func=lambda name: t(f"report.format_{name}"),
        )
        url_state.record("as", kind, "html")
    return lang, kind


def offer_file(run_ids: Sequence[str], lang: Language, kind: Format) -> None:
    """The button that builds the report, and the command that builds the same."""
    name = file_name(run_ids, kind)
    st.download_button(
        t("report.save", name=name),
        # Built when it is asked for: a look at this screen costs nothing.
        partial(client.report.build, run_ids, kind=kind, lang=lang),
        name,
        "text/html" if kind == "html" else "text/markdown",
        type="primary",
        icon=":material/download:",
        on_click="ignore",
        key="save",
    )
    st.write(t("report.command"))
    language_option = [] if lang == "en" else ["--lang", lang]
    command = shlex.join(["drpo", "report", *run_ids, name, *language_option])
    st.code(command, language=None, wrap_lines=True)


def contents(runs: Sequence[Run]) -> None:
    """What stands at the report's head: each run's verdict, and of one run its key figures."""
    for run in runs:
        if len(runs) > 1:
            st.text(run.name)
        verdict = verdict_of(run)
        show_verdict(verdict)
        if len(runs) == 1:
            show_key_figures(key_figures(verdict))
