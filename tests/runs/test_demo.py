"""The demo's settings fit the sample material, and its default run really learns."""

import pytest
from chat_models import chat_folder

from drpo.errors import ConfigError
from drpo.runs import added_models, demo, preflight, worker


@pytest.mark.parametrize("task", demo.TASKS)
def test_the_sample_material_carries_its_task(task, store):
    if model := demo.TASKS[task].model:
        chat_folder(model, added_models.folder_of(model))
    preflight.check(demo.demo_config(task), store)


def test_a_task_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="'chess'"):
        demo.demo_config("chess")


@pytest.mark.parametrize("story", demo.STORIES.values(), ids=demo.STORIES)
def test_a_story_differs_in_its_one_setting_alone(story):
    first, second = (config.flat() for config in story.configs(seed=3))
    differing = {name for name in first if first[name] != second[name]}
    assert differing == {story.setting, "name"}
    assert first["seed"] == second["seed"] == 3


def test_a_launched_story_is_two_queued_runs_under_one_name(store):
    runs = demo.STORIES["reset"].launch(store)
    assert {run.status for run in runs} == {"queued"}
    assert len({run.story for run in runs}) == 1
    assert [run.id for run in store.runs.all(story=runs[0].story)] != []


@pytest.mark.slow
def test_gold_rises_by_two_standard_errors_within_five_updates_of_the_default_demo(store):
    run = store.runs.create(demo.demo_config(updates=5, eval_prompts=64))
    assert worker.execute(run.id, store) == "finished"
    summary = store.runs.get(run.id).summary
    first, last = summary["first"], summary["last"]
    for figure in ("gold", "scores"):
        error = (first[f"{figure}_se"] ** 2 + last[f"{figure}_se"] ** 2) ** 0.5
        assert last[figure] - first[figure] > 2 * error, figure
    assert 0 <= last["kl"] < 25
