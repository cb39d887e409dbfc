"""Data: bring a file, see what is in it, correct how it is read, clean it and save it."""

import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.components import data_problems
from drpo.dashboard.screens.data import (
    cleaning_view,
    labels_view,
    question_view,
    report_view,
    tokens_view,
    upload_view,
    versions_view,
)
from drpo.dashboard.state import url_state
from drpo.i18n import t

st.title(t("data.title"))
st.write(t("data.lead"))

upload = upload_view.current()
if upload is None:
    upload_view.choose_file()
    st.caption(t("data.nothing"))
else:
    uploads = client.data.uploads()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(uploads.name(upload))
        if st.button(t("data.other_file"), key="data_other", type="tertiary"):
            url_state.forget(upload_view.UPLOAD)
            st.rerun()
    if upload_view.watch(upload, "check"):
        report = uploads.report(upload)
        data_problems.show_readiness(report)
        report_view.show_counts(report)
        problems, charts, resets, labels, rows, mapping = st.tabs(
            [
                t("data.tab_problems"),
                t("data.tab_charts"),
                t("data.tab_resets"),
                t("labels.tab"),
                t("data.tab_examples"),
                t("data.tab_mapping"),
            ]
        )
        with problems:
            data_problems.show_problems(report)
            report_view.offer_downloads(report)
        with charts:
            report_view.show_charts(report)
        with resets:
            report_view.show_resets(report)
            cleaning_view.model_form(upload)
            upload_view.watch(upload, "coverage")
        with labels:
            labels_view.show_labels(upload, report)
        with rows:
            report_view.show_examples(report)
            tokens_view.show_tokens(upload, report)
        with mapping:
            cleaning_view.mapping_form(upload, report)
        st.subheader(t("data.fix"))
        cleaning_view.save_form(upload, report)
        if upload_view.watch(upload, "save"):
            cleaning_view.show_saved(upload)
    elif uploads.status(upload, "check").state == "failed":
        question_view.ask(upload)
        cleaning_view.mapping_form(upload, {})
versions_view.show_versions()
