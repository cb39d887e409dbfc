"""The playground's screen: which checkpoints and which prompt a link or a click leads to."""

import pytest
import screen_material
from screens import problems, visit

from drpo.dashboard.screens.playground import session, view
from drpo.dashboard.screens.playground.view import shades
from drpo.playground import Sampling
from drpo.runs import housekeeping
from drpo.types import Sample


def start_of(run):
    """The key of a run's start policy."""
    return f"{run.id}@-1"


def ask(store, name, prompts):
    """A run whose held-out prompts are these."""
    run = screen_material.add_run(store, name, updates=1)
    rows = [
        Sample(step=9, kind="heldout", item=item, start="prompt", prompt=prompt, response=" x")
        for item, prompt in enumerate(prompts)
    ]
    store.samples.append(run.id, rows)
    return run


def test_a_link_with_more_checkpoints_than_can_be_asked_keeps_the_first_four(store):
    runs = [screen_material.add_run(store, f"run {number}", updates=1) for number in range(5)]
    keys = [start_of(run) for run in runs]
    app = visit("playground", models=",".join([keys[0], keys[0], *keys[1:]]))
    assert problems(app) == []
    assert app.multiselect(key="models").value == keys[:4]


@pytest.mark.parametrize("sample", ["\N{SUPERSCRIPT TWO}", "9" * 20, "9" * 18, "-1", "٣"])
def test_a_link_to_a_sample_that_cannot_be_is_as_if_it_named_none(store, sample):
    screen_material.add_run(store, "mine", updates=1)
    app = visit("playground", sample=sample)
    assert problems(app) == []
    assert app.selectbox(key="example").value == "heldout-1"


@pytest.mark.parametrize("between", [True, False])
def test_an_example_is_that_of_the_checkpoint_chosen_now(store, between):
    one, two = ask(store, "one", ["first task"]), ask(store, "two", ["second task"])
    app = visit("playground", models=start_of(one))
    assert app.text_area(key="prompt").value == "first task"
    if between:
        app.multiselect(key="models").set_value([]).run()
        assert app.text_area(key="prompt").value == "first task"
    app.multiselect(key="models").set_value([start_of(two)]).run()
    assert problems(app) == []
    assert app.selectbox(key="example").value == "heldout-1"
    assert app.text_area(key="prompt").value == "second task"


def test_a_prompt_that_was_edited_stays_when_another_checkpoint_is_chosen(store):
    one, two = ask(store, "one", ["first task"]), ask(store, "two", ["second task"])
    app = visit("playground", models=start_of(one))
    app.text_area(key="prompt").set_value("my words").run()
    app.multiselect(key="models").set_value([start_of(two)]).run()
    assert app.text_area(key="prompt").value == "my words"


def test_a_switch_of_language_keeps_the_checkpoints_and_the_prompt(store):
    one = ask(store, "one", ["first task", "another"])
    app = visit("playground", models=start_of(one), lang="en")
    app.selectbox(key="example").set_value("heldout-2").run()
    app.segmented_control(key="lang").set_value("ja").run()
    assert app.text_area(key="prompt").value == "another"
    # A browser sends back the labels it was given last: these must be the new ones.
    field = app.multiselect(key="models")
    assert list(field.proto.raw_values) == field.values
    assert app.selectbox(key="example").proto.raw_value.startswith("評価用プロンプト")


LONG = "word " * 2000


def token(text, kl):
    return {"text": text, "log_prob": -0.5, "start_log_prob": -1.0, "kl": kl}


def kept(store, run, key, prompt, *, finished=True):
    """A generation as the playground keeps it."""
    end = {"finished": True, "score": 1.5, "token_scores": [1.0, 0.5], "pooling": "sum"}
    answer = session.GeneratedAnswer(
        run.id, -1, "4f0c", [token(" so", 0.1)], [token(" it", 0.25)], end if finished else None
    )
    how = Sampling(temperature=0.0, top_p=0.8, max_tokens=16, seed=7)
    session._keep(store, session.Generation(key, prompt, " so", how, [answer], at=1.0))
    return answer


def asked(app):
    """What the fields hold."""
    areas = [app.text_area(key=key).value for key in ("prompt", "prefix")]
    sliders = [app.slider(key=key).value for key in ("temperature", "top_p")]
    counts = [app.number_input(key=key).value for key in ("max_tokens", "sampling_seed")]
    return [*areas, *sliders, *counts]


def link(app):
    """What the address carries by now."""
    return {key: one if isinstance(one, str) else one[0] for key, one in app.query_params.items()}


@pytest.mark.parametrize("prompt", ["tell me", LONG])
def test_the_key_of_a_generation_leads_back_to_all_of_it(store, prompt):
    runs = [ask(store, name, ["a task"]) for name in ("mine", "newer")]
    answer = kept(store, runs[0], "1.0-ab", prompt)
    app = visit("playground", written="1.0-ab")
    assert problems(app) == []
    assert asked(app) == [prompt, " so", 0.0, 0.8, 16, 7]
    assert app.multiselect(key="models").value == [start_of(runs[0])]
    shown = app.session_state[view.SHOWN]
    assert shown.answers == [answer]
    # A long prompt is not in the link as well.
    assert len(str(dict(app.query_params))) < 500


def test_what_is_asked_next_is_in_the_link_beside_what_is_shown(store):
    run = ask(store, "mine", ["a task"])
    kept(store, run, "1.0-ab", "tell me")
    app = visit("playground", written="1.0-ab")
    app.text_area(key="prompt").set_value("tell them").run()
    app.slider(key="temperature").set_value(1.35).run()
    app.number_input(key="sampling_seed").set_value(2**31 - 1).run()
    again = visit("playground", **link(app))
    assert problems(again) == []
    assert asked(again) == ["tell them", " so", 1.35, 0.8, 16, 2**31 - 1]
    assert again.session_state[view.SHOWN].key == "1.0-ab"


def test_a_prompt_that_was_not_asked_yet_outlives_a_refresh(store):
    ask(store, "mine", ["a task", "another"])
    app = visit("playground")
    app.selectbox(key="example").set_value("heldout-2").run()
    app.text_area(key="prefix").set_value(" since").run()
    app.slider(key="top_p").set_value(0.5).run()
    again = visit("playground", **link(app))
    assert asked(again) == ["another", " since", 1.0, 0.5, 64, 0]
    assert again.selectbox(key="example").value == "heldout-2"


def test_a_link_to_another_generation_takes_the_place_of_the_one_shown(store):
    run = ask(store, "mine", ["a task"])
    for key, prompt in (("1.0-ab", "one"), ("2.0-ab", "two")):
        kept(store, run, key, prompt)
    app = visit("playground", written="1.0-ab")
    app.query_params["written"] = "2.0-ab"
    app.run()
    assert problems(app) == []
    assert asked(app)[0] == "two"


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("temperature", "nan", 1.0),
        ("temperature", "9", 1.0),
        ("max_tokens", "1.5", 64),
        ("sampling_seed", "x", 0),
    ],
)
def test_a_number_that_a_field_cannot_hold_is_as_if_the_link_had_none(store, key, text, value):
    ask(store, "mine", ["a task"])
    app = visit("playground", **{key: text})
    assert problems(app) == []
    assert app.session_state[key] == value


def test_a_link_to_answers_that_are_gone_says_so(store):
    ask(store, "mine", ["a task"])
    app = visit("playground", written="1.0-ab")
    assert problems(app) == []
    assert any("not here" in box.proto.body for box in app.get("html"))
    # And loses nothing that is typed from then on.
    app.text_area(key="prompt").set_value("my words").run()
    assert app.text_area(key="prompt").value == "my words"


def test_an_answer_outlives_the_run_that_wrote_it(store):
    ask(store, "mine", ["a task"])
    gone = ask(store, "gone", ["a task"])
    kept(store, gone, "1.0-ab", "tell me")
    housekeeping.delete(store, gone.id)
    housekeeping.erase(store, gone.id)
    app = visit("playground", written="1.0-ab")
    assert problems(app) == []
    assert asked(app)[0] == "tell me"


def test_a_stopped_answer_is_listed_as_one(store):
    run = ask(store, "mine", ["a task"])
    kept(store, run, "1.0-ab", "tell me", finished=False)
    app = visit("playground", earlier="1")
    assert problems(app) == []
    [row] = app.dataframe[0].value.to_dict("records")
    assert row["answer"] == " so it"
    assert row["weights"] == "4f0c"
    assert row["end"] == "stopped before its end"


def test_going_on_from_a_word_asks_what_was_asked_there(store):
    one, two = (ask(store, name, ["a task"]) for name in ("one", "two"))
    kept(store, one, "1.0-ab", "tell me")
    app = visit("playground", written="1.0-ab")
    # The fields have moved on since.
    app.text_area(key="prompt").set_value("something else").run()
    app.multiselect(key="models").set_value([start_of(two)]).run()
    shown = app.session_state[view.SHOWN]
    assert view.continued(shown, at=0, index=1) == {
        "models": [start_of(one)],
        "prompt": "tell me",
        "prefix": " so",
    }


def test_all_runs_are_offered(store):
    runs = [screen_material.add_run(store, f"run {number}", updates=1) for number in range(25)]
    offered = visit("playground").multiselect(key="models").options
    assert len(offered) == len(runs)


TOKENS = [{"kl": 0.0}, {"kl": 1.0}]


def test_a_token_is_the_darker_the_more_the_policies_differ():
    assert shades(TOKENS, [], "kl", None) == [["kl", 0.0], ["kl", 0.632]]
    assert shades(TOKENS, [], "none", None) == [["kl", 0.0], ["kl", 0.0]]


def test_a_token_is_coloured_by_what_it_adds_to_the_score():
    assert shades(TOKENS, [2.0, -1.0], "score", "sum") == [["learned", 1.0], ["muted", 0.5]]
    # pooling "last" gives the score so far: the step from 2 to -1 takes 3 away
    assert shades(TOKENS, [2.0, -1.0], "score", "last") == [["muted", 0.0], ["muted", 1.0]]
    # scores that do not fit the tokens colour nothing
    assert shades(TOKENS, [1.0], "score", "sum") == [["kl", 0.0], ["kl", 0.0]]
