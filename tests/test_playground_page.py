"""The playground's screen: which checkpoints and which prompt a link or a click leads to."""

import pytest
import screen_material
from test_dashboard_pages import _nothing_cached, problems, visit

from drpo.records import Sample

__all__ = ["_nothing_cached"]


def start_of(run):
    """The key of a run's start policy."""
    return f"{run.id}@-1"


def ask(store, name, prompts):
    """A run whose held-out prompts are these."""
    run = screen_material.add_run(store, name, updates=1)
    rows = [Sample(step=9, kind="heldout", item=item, start="prompt", prompt=prompt, response=" x")
            for item, prompt in enumerate(prompts)]  # fmt: skip
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
