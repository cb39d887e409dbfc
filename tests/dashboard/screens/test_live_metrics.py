"""The list of all metrics on Live: every chart says what it draws, and a link what is looked at."""

import screen_material
from screens import problems, visit


def test_what_is_looked_at_outlives_a_refresh(store):
    run = screen_material.add_run(store, "mine", updates=50)
    app = visit("live", run=run.id, view="all")
    app.toggle(key="metric_log").set_value(True).run()
    app.toggle(key="show_data").set_value(True).run()
    assert problems(app) == []
    said = {key: app.query_params[key] for key in ("metric_log", "show_data")}
    assert said == {"metric_log": "1", "show_data": "1"}
    # What is typed and smoothed a browser writes into the URL (tests/browser/test_links.py).
    said |= {"metric_search": "objective/", "metric_smoothing": "0.55"}
    again = visit("live", run=run.id, view="all", **said)
    assert problems(again) == []
    assert again.text_input(key="metric_search").value == "objective/"
    assert again.slider(key="metric_smoothing").value == 0.55
    assert again.toggle(key="metric_log").value
    assert again.toggle(key="show_data").value
