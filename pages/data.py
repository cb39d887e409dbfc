"""Data: bring a file, see what is in it, correct how it is read, clean it and save it."""

import streamlit as st

from drpo.dashboard import data_fixing, data_report, data_upload, data_versions
from drpo.dashboard.words import t

st.title(t("data.title"))
st.write(t("data.lead"))

upload = data_upload.current()
if upload is None:
    data_upload.choose_file()
    st.caption(t("data.nothing"))
else:
    desk = data_upload.desk()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(desk.name(upload))
        if st.button(t("data.other_file"), key="data_other", type="tertiary"):
            del st.query_params[data_upload.UPLOAD]
            st.rerun()
    if data_upload.watch(upload, "check"):
        report = desk.report(upload)
        data_report.show_verdict(report)
        data_report.show_counts(report)
        problems, pictures, resets, rows, mapping = st.tabs([
            t("data.tab_problems"), t("data.tab_pictures"), t("data.tab_resets"),
            t("data.tab_examples"), t("data.tab_mapping"),
        ])  # fmt: skip
        with problems:
            data_report.show_problems(report)
            data_report.offer_downloads(report)
        with pictures:
            data_report.show_pictures(report)
        with resets:
            data_report.show_resets(report)
            data_fixing.model_form(upload)
            data_upload.watch(upload, "coverage")
        with rows:
            data_report.show_examples(report)
        with mapping:
            data_fixing.mapping_form(upload, report)
        st.subheader(t("data.fix"))
        data_fixing.save_form(upload, report)
        if data_upload.watch(upload, "save"):
            data_fixing.show_saved(upload)
    elif desk.status(upload, "check").state == "failed":
        data_fixing.mapping_form(upload, {})
data_versions.show_versions()
