"""Launch: material, the two knobs, the settings, what it will cost, and the button."""

import streamlit as st

from drpo.config import RunConfig
from drpo.dashboard import address, launch_form, services, starters
from drpo.dashboard.notices import show_problem
from drpo.dashboard.run_choice import asked_for
from drpo.dashboard.words import t
from drpo.errors import DrpoError

store = services.store()
st.title(t("launch.title"))
st.write(t("launch.lead"))

points = launch_form.starting_points(store, asked_for("start"))
address.recall("start", list(points), next(iter(points)))
point = st.selectbox(t("launch.start"), list(points), key="start", format_func=points.get)
address.record("start", point)
base = launch_form.settings_of(point, store)
# Widgets of another starting point are other widgets: each begins at its own values.
values = base | launch_form.from_url(base)

st.subheader(t("launch.material"))
known = launch_form.material(store)
chosen: dict[str, object] = {}
with st.grid(2, min_column_width=280):
    for leaf in launch_form.MATERIAL:
        chosen[leaf] = launch_form.choose_material(
            leaf, values[leaf], known[leaf], key=f"{point}_{leaf}"
        )

st.subheader(t("launch.settings"))
chosen |= launch_form.main_settings(values, key=point)
chosen |= launch_form.other_settings(values, chosen, key=point)
launch_form.to_url(chosen, base)

st.subheader(t("launch.cost"))
if not chosen["data"] or not chosen["policy"]:
    st.caption(t("launch.missing"))
    st.stop()
try:
    config = RunConfig.of(**chosen)
except DrpoError as error:
    show_problem(error)
    st.stop()
launch_form.show_estimate(config)
if st.button(t("launch.launch"), type="primary", key="launch", icon=":material/rocket_launch:"):
    try:
        run = starters.launch(config)
    except DrpoError as error:
        show_problem(error)
    else:
        starters.watch(run.id)
st.caption(t("launch.command"))
st.code(launch_form.command_line_of(config), language=None, wrap_lines=True)
