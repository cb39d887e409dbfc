"""Report: one file on a run, or on a comparison, to keep or to send."""

import shlex
from functools import partial

import streamlit as st

from drpo import report
from drpo.dashboard import navigation
from drpo.dashboard.client.analysis import key_figures, verdict_of
from drpo.dashboard.client.store import store
from drpo.dashboard.components.hero import show_key_figures
from drpo.dashboard.components.notices import notice
from drpo.dashboard.components.run_choice import asked_for, label, offered
from drpo.dashboard.components.verdict_summary import show_verdict
from drpo.dashboard.state import metric_series, url_state
from drpo.i18n import LANGUAGES, language, t

st.title(t("report.title"))
runs = offered(store().runs.all(limit=500), asked_for("run", "runs"))
if not runs:
    st.write(t("report.empty"))
    st.page_link(navigation.path("home"), label=t("report.to_home"), icon=":material/home:")
    st.stop()
st.write(t("report.lead"))

ids = list(runs)
finished = [run.id for run in runs.values() if run.status == "finished"]
names = {run.id: label(run) for run in runs.values()}
# A link from another screen names one run, as every screen does.
default = [url_state.asked("run")] if url_state.asked("run") in runs else finished[:1]
url_state.recall_many("runs", ids, default, report.MOST_RUNS)
chosen = st.multiselect(
    t("report.runs"),
    ids,
    key="runs",
    format_func=lambda run_id: names.get(run_id, run_id),
    max_selections=report.MOST_RUNS,
)
url_state.record("runs", chosen)
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
    url_state.recall("as", ("html", "md"), "html")
    kind = st.radio(
        t("report.format"),
        ("html", "md"),
        key="as",
        horizontal=True,
        format_func=lambda name: t(f"report.format_{name}"),
    )
    url_state.record("as", kind, "html")

if not chosen:
    st.write(t("report.choose"))
    st.stop()
if any(metric_series.is_live(runs[run_id]) for run_id in chosen):
    notice("note", t("report.still_live"))
file_name = report.file_name(chosen, kind)
st.download_button(
    t("report.save", name=file_name),
    # Built when it is asked for: a look at this screen costs nothing.
    partial(report.build, store(), chosen, kind=kind, lang=lang),
    file_name,
    "text/html" if kind == "html" else "text/markdown",
    type="primary",
    icon=":material/download:",
    on_click="ignore",
    key="save",
)
st.write(t("report.command"))
language_option = [] if lang == "en" else ["--lang", lang]
command = shlex.join(["drpo", "report", *chosen, file_name, *language_option])
st.code(command, language=None, wrap_lines=True)

st.subheader(t("report.inside"))
for run_id in chosen:
    if len(chosen) > 1:
        st.text(runs[run_id].name)
    verdict = verdict_of(store(), runs[run_id])
    show_verdict(verdict)
    if len(chosen) == 1:
        show_key_figures(key_figures(verdict))
