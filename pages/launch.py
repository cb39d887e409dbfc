"""Launch: data and models, the settings, what it will cost, and the button."""

import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.client.config import RunConfig
from drpo.dashboard.components import launch_actions
from drpo.dashboard.components.notices import show_problem
from drpo.dashboard.components.run_choice import asked_for
from drpo.dashboard.components.run_inputs import (
    DEMONSTRATIONS,
    INPUTS,
    choose_input,
    known_inputs,
    settings_of,
    starting_points,
)
from drpo.dashboard.screens.launch import form
from drpo.dashboard.state import url_state
from drpo.errors import DrpoError
from drpo.i18n import t

st.title(t("launch.title"))
st.write(t("launch.lead"))

points = starting_points(asked_for("start"))
url_state.recall("start", list(points), next(iter(points)))
point = st.selectbox(t("launch.start"), list(points), key="start", format_func=points.get)
url_state.record("start", point)
base = settings_of(point)
# Widgets of another starting point are other widgets: each begins at its own values.
values = base | form.from_url(base)

st.subheader(t("launch.inputs"))
known = known_inputs()
chosen: dict[str, object] = {}
with st.grid(2, min_column_width=280):
    for leaf in (*INPUTS, DEMONSTRATIONS):
        chosen[leaf] = choose_input(leaf, values[leaf], known[leaf], key=f"{point}_{leaf}")

st.subheader(t("launch.settings"))
form.choose_way(base, key=point)
chosen |= form.main_settings(values, key=point)
chosen |= form.other_settings(values, chosen, key=point)
form.to_url(chosen, base)

st.subheader(t("launch.cost"))
if not chosen["data"] or not chosen["policy"]:
    st.caption(t("launch.missing"))
    st.stop()
try:
    config = RunConfig.of(**chosen)
except DrpoError as error:
    show_problem(error)
    st.stop()
form.show_way(config)
form.show_cut_answers(config, key=point)
form.show_estimate(config)
idle = not client.access.may("launch")
if st.button(
    t("launch.launch"),
    type="primary",
    key="launch",
    icon=":material/rocket_launch:",
    disabled=idle,
    help=t("access.no_launch") if idle else None,
):
    try:
        run = launch_actions.launch(config)
    except DrpoError as error:
        show_problem(error)
    else:
        launch_actions.open_live(run.id)
st.caption(t("launch.command"))
st.code(form.command_line_of(config), language=None, wrap_lines=True)
