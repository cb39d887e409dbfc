"""A link opens the run it names: an archived one, an old one; of one that is gone it says so."""

import pytest
import screen_material
from screens import notices, problems, shown, visit


@pytest.fixture
def runs(store):
    """One run, and one made after it that a screen would show by itself."""
    return [screen_material.add_run(store, name, updates=5) for name in ("asked", "newer")]


@pytest.mark.parametrize("name", ["live", "resets", "overview"])
def test_a_link_to_an_archived_run_opens_it(store, runs, name):
    store.runs.change(runs[0].id, archived=True)
    app = visit(name, run=runs[0].id)
    assert problems(app) == []
    assert app.selectbox(key="run").value == runs[0].id
    assert app.query_params["run"] == runs[0].id
    app.run()
    assert app.selectbox(key="run").value == runs[0].id


@pytest.mark.parametrize("name", ["live", "resets", "overview"])
def test_the_run_of_a_link_stays_when_another_bears_its_name_and_when_it_ends(store, name):
    same = [
        screen_material.add_run(store, "twin", updates=5, status=status)
        for status in ("finished", "running", "finished")
    ]
    app = visit(name, run=same[1].id)
    app.run()
    store.runs.change(same[1].id, status="finished")
    for _ in range(2):
        app.run()
        assert problems(app) == []
        assert app.selectbox(key="run").value == same[1].id
        assert app.query_params["run"] == same[1].id


def test_an_archived_run_can_stand_beside_another(store, runs):
    store.runs.change(runs[0].id, archived=True)
    app = visit("live", run=runs[1].id, beside=runs[0].id)
    assert problems(app) == []
    assert app.selectbox(key="beside").value == runs[0].id


@pytest.mark.parametrize("link", ["run", "runs"])
def test_a_report_on_an_archived_run_can_be_asked_for(store, runs, link):
    store.runs.change(runs[0].id, archived=True)
    app = visit("report", **{link: runs[0].id})
    assert problems(app) == []
    assert app.multiselect(key="runs").value == [runs[0].id]


@pytest.mark.parametrize("name", ["live", "resets", "overview"])
def test_a_link_to_a_deleted_run_says_that_it_is_not_here(store, runs, name):
    assert store.runs.hide(runs[0].id)
    app = visit(name)
    assert not any(runs[0].id in box for box in notices(app))
    app = visit(name, run=runs[0].id)
    assert problems(app) == []
    assert any(runs[0].id in box for box in notices(app))
    assert app.selectbox(key="run").value == runs[1].id


def test_an_episode_of_an_archived_run_is_asked_of_that_runs_own_policy(store, runs):
    store.runs.change(runs[0].id, archived=True)
    episode = store.samples.at(runs[0].id, 5, "episode")[0]
    app = visit("playground", sample=str(episode.id))
    assert problems(app) == []
    assert app.text_area(key="prompt").value == episode.prompt
    chosen = app.multiselect(key="models").value
    assert [key.partition("@")[0] for key in chosen] == [runs[0].id]
    again = visit("playground", models=",".join(chosen))
    assert again.multiselect(key="models").value == chosen


def test_an_episode_of_a_deleted_run_is_not_silently_asked_of_another(store, runs):
    episode = store.samples.at(runs[0].id, 5, "episode")[0]
    assert store.runs.hide(runs[0].id)
    app = visit("playground", sample=str(episode.id))
    assert problems(app) == []
    assert any(runs[0].id in box for box in notices(app))
    assert "asked" not in shown(app)


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(
    ("name", "link", "key"),
    [("compare", {"metric": "eval/kl"}, "metric"), ("sweep", {}, "sweep_kind")],
)
def test_a_switch_of_language_keeps_a_choice_whose_options_are_called_otherwise_now(
    name, link, key
):
    app = visit(name, lang="en", **link)
    if name == "sweep":
        app.selectbox(key=key).set_value("tpe").run()
    before, labels = app.selectbox(key=key).value, list(app.selectbox(key=key).options)
    app.segmented_control(key="lang").set_value("ja").run()
    field = app.selectbox(key=key)
    assert field.value == before
    assert field.options != labels
    # A browser sends back the label it was given last: this must be a new one.
    assert field.proto.set_value
    assert field.proto.raw_value in field.options
