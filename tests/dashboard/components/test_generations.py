"""Answers stay with the run that wrote them, and the slider with the newest until it is moved."""

import numpy as np
import pytest
import screen_material
from screens import ROOT, problems, visit

from drpo.dashboard.components.generations import side_by_side
from drpo.report.cards import statistics_of
from drpo.store.schema import SampleRow


def add(store, name, **more):
    return screen_material.add_run(store, name, updates=20, upto=10, **more)


def evaluated(store, run, step):
    """The next evaluation of a run, as its worker would write it."""
    store.samples.append(run.id, [screen_material.heldout(step, item, 0.5) for item in range(4)])


def shown(app):
    assert problems(app) == []
    return app.select_slider(key="step").value


def test_answers_of_two_runs_that_are_called_the_same_are_two_answers(store):
    runs = [add(store, "twin") for _ in range(2)]
    rows = [store.samples.at(run.id, 10, "heldout") for run in runs]
    for card in side_by_side(rows, ["twin", "twin"], with_data=True):
        # The browser keeps one element for each id.
        assert len({answer.id for answer in card.answers}) == len(card.answers) == 3


def test_an_older_step_of_one_run_does_not_hold_up_another(store):
    old, live = add(store, "old"), add(store, "live")
    app = visit("live", run=old.id)
    app.select_slider(key="step").set_value("5").run()
    assert shown(app) == "5"
    app.selectbox(key="run").set_value(live.id).run()
    assert shown(app) == "10"
    evaluated(store, live, 15)
    assert shown(app.run()) == "15"


def test_an_older_step_stays_while_its_run_goes_on_until_the_newest_is_chosen_again(store):
    run = add(store, "live")
    app = visit("live", run=run.id)
    app.select_slider(key="step").set_value("5").run()
    evaluated(store, run, 15)
    assert shown(app.run()) == "5"
    assert app.query_params["step"] == "5"
    app.select_slider(key="step").set_value("15").run()
    evaluated(store, run, 20)
    assert shown(app.run()) == "20"
    assert "step" not in app.query_params


def test_another_screen_and_another_kind_of_answers_begin_at_the_newest(store):
    run = add(store, "live")
    app = visit("live", run=run.id)
    app.select_slider(key="step").set_value("5").run()
    app.segmented_control(key="kind").set_value("episode").run()
    assert shown(app) == "10"
    app.select_slider(key="step").set_value("4").run()
    app.query_params.clear()
    app.switch_page(str(ROOT / "pages" / "resets.py")).run()
    assert shown(app) == "10"
    store.samples.append(run.id, [screen_material.episode(11, 0, np.random.default_rng(0))])
    assert shown(app.run()) == "11"


@pytest.mark.parametrize("screen", ["live", "resets"])
def test_a_link_or_the_back_button_moves_a_slider_that_followed(store, screen):
    run = add(store, "mine")
    app = visit(screen, run=run.id)
    for chosen in ("5", "10"):
        app.select_slider(key="step").set_value(chosen).run()
    app.query_params["step"] = "5"
    assert shown(app.run()) == "5"
    evaluated(store, run, 15)
    assert shown(app.run()) == "5"
    # Back again, to where no step was named.
    del app.query_params["step"]
    assert shown(app.run()) == {"live": "15", "resets": "10"}[screen]


def test_a_link_to_a_step_that_is_gone_shows_the_newest_and_follows(store):
    run = add(store, "mine")
    app = visit("live", run=run.id, step="7")
    assert shown(app) == "10"
    evaluated(store, run, 15)
    assert shown(app.run()) == "15"


def test_a_reward_that_is_the_true_score_is_shown_once():
    row = SampleRow(score=3.0, gold=3.0, kl=1.5)
    assert [one.meaning for one in statistics_of(row)] == ["gold-ink", "kl-ink"]
    other = SampleRow(score=0.4, gold=3.0, kl=None)
    assert [one.meaning for one in statistics_of(other)] == ["learned-ink", "gold-ink"]


def test_the_page_of_answers_is_in_the_link(store):
    run = add(store, "live")
    rows = [screen_material.heldout(15, item, 0.5) for item in range(20)]
    store.samples.append(run.id, rows)
    app = visit("live", run=run.id, answers_page="2")
    assert problems(app) == []
    assert app.session_state["answers_page"] == 2
    assert app.query_params["answers_page"] == "2"
