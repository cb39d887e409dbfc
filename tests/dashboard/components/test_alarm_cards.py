"""Open alarms are seen wherever a run is: on Home, on Live, and on Live with two runs."""

import json

import pytest
import screen_material
from screens import handed, problems, visit

from drpo.alarms.alarms import Alarm, Choice, Evidence
from drpo.alarms.handler import alarms_of, decide, write_down

HOSTILE = "<img src=x> **mine**"


def alarmed(store, name="mine", **settings):
    """A run with two open alarms, one of them with two answers behind it."""
    run = screen_material.add_run(store, name, updates=10, **settings)
    evidence = (Evidence(10, "heldout", 2, "prompt", 0), Evidence(10, "episode", 0, "reset"))
    write_down(store, run.id, Alarm("kl_budget", 5, 10, 6, {"kl": 26.3, "budget": 25.0}))
    write_down(store, run.id, Alarm("unfinished", 10, 10, 1, {"now_share": 1.0}, evidence))
    return run


def decide_all(store, run):
    for one in alarms_of(store, run.id):
        decide(store, run.id, one.event_id, "ignore", who="Ann")


def boxes(app):
    """The notices on the screen, as HTML."""
    return [element.proto.body for element in app.get("html") if "<div role=" in element.proto.body]


def latest(app):
    [table] = [table for table in app.dataframe if "created" in table.value]
    return table.value


def links(app):
    return [link.proto.query_string for link in app.get("page_link")]


def test_home_calls_for_a_live_runs_open_alarms_and_leads_to_them(store):
    run = alarmed(store, HOSTILE, status="running")
    app = visit("home")
    assert problems(app) == []
    [box] = boxes(app)
    assert "2 open alarms" in box
    assert "KL over budget" in box
    assert "Answers do not end" in box
    assert "&lt;img src=x&gt; **mine**" in box
    assert f"run={run.id}" in links(app)
    decide_all(store, run)
    app.run()
    assert boxes(app) == []
    assert f"run={run.id}" not in links(app)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_homes_table_counts_the_open_alarms_of_runs_that_have_ended(store, language):
    run = alarmed(store)
    quiet = screen_material.add_run(store, "quiet", updates=10)
    app = visit("home", lang=language)
    assert problems(app) == []
    # Over for good: it calls nobody, and its row says so.
    assert boxes(app) == []
    counted = latest(app).set_index("name")["alarms"].to_dict()
    assert counted == {run.name: "▲ 2", quiet.name: ""}
    decide_all(store, run)
    app.run()
    assert "alarms" not in latest(app)


def test_two_runs_side_by_side_show_the_alarms_of_each(store):
    first, second = alarmed(store, "first"), alarmed(store, "second")
    app = visit("live", run=first.id, beside=second.id)
    assert problems(app) == []
    told = "\n".join(boxes(app))
    for name in ("first", "second"):
        assert f"{name} · KL over budget" in told
        assert f"{name} · Answers do not end" in told
    keys = [button.key for button in app.button if (button.key or "").startswith("alarm_")]
    assert len(keys) == len(set(keys)) == 4
    of_second = [key for key in keys if second.id in key]
    app.button(key=of_second[0]).click().run()
    assert problems(app) == []
    assert len([one for one in alarms_of(store, second.id) if one.decision]) == 1
    assert not any(one.decision for one in alarms_of(store, first.id))


def shown_answers(app):
    told = handed(app)
    return [card["id"] for one in told for card in one.get("cards", ())]


def test_the_answers_behind_an_alarm_stay_open_in_a_second_tab(store):
    run = alarmed(store)
    app = visit("live", run=run.id)
    [toggle] = [one for one in app.toggle if (one.key or "").startswith("evidence_")]
    before = shown_answers(app)
    toggle.set_value(True).run()
    opened = shown_answers(app)
    assert len(opened) == len(before) + 2
    assert len(set(opened)) == len(opened)
    query = {key: values[0] for key, values in app.query_params.items()}
    assert shown_answers(visit("live", **query)) == opened
    app.toggle(key=toggle.key).set_value(False).run()
    assert toggle.key not in app.query_params


def test_an_alarm_without_answers_says_so(store):
    run = screen_material.add_run(store, "mine", updates=10)
    values = {"accuracy_share": 0.5, "limit_share": 0.6}
    write_down(store, run.id, Alarm("weak_reward_model", 0, 0, 1, values))
    app = visit("live", run=run.id)
    assert problems(app) == []
    assert any("No single answers" in caption.value for caption in app.caption)


def test_a_decision_that_comes_too_late_is_answered_in_a_sentence(store):
    run = screen_material.add_run(store, "mine", updates=10, status="running")
    choices = (Choice("ignore"), Choice("pause"))
    kl = {"kl": 26.3, "budget": 25.0}
    write_down(store, run.id, Alarm("kl_budget", 5, 10, 6, kl, choices=choices))
    app = visit("live", run=run.id)
    [raised] = alarms_of(store, run.id)
    pause = app.button(key=f"alarm_{run.id}_{raised.event_id}_1")
    store.runs.change(run.id, status="finished")
    pause.click().run()
    [problem] = problems(app)
    assert "only a live run can pause" in problem
    assert alarms_of(store, run.id)[0].decision is None


def test_an_alarm_shows_the_answers_behind_it_when_asked(store):
    run = screen_material.add_run(store, "mine", updates=10)
    evidence = (Evidence(10, "heldout", 2, "prompt"), Evidence(10, "episode", 0, "reset"))
    write_down(store, run.id, Alarm("unfinished", 10, 10, 1, {"now_share": 1.0}, evidence))
    app = visit("live", run=run.id)
    assert problems(app) == []
    [toggle] = [one for one in app.toggle if (one.key or "").startswith("evidence_")]
    assert toggle.label == "Show the 2 answers behind it"
    before = drawn(app)
    toggle.set_value(True).run()
    assert problems(app) == []
    answers = drawn(app) - before
    assert len(answers) == 1
    assert "cousin Nadia fixed it for 240 euros" in answers.pop()


def drawn(app):
    """The data of every component of ours that shows answers."""
    return {json.dumps(one, sort_keys=True) for one in handed(app) if "cards" in one}
