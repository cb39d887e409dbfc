"""Runs that make no updates, as DPO or a reward model alone, are not told as training runs."""

import pytest
import screen_material
from screens import handed, problems, shown, visit

from drpo.config.run_config import RunConfig
from drpo.report import build


@pytest.fixture
def tuned(store):
    """A finished DPO run: its start policy at step 0, what it trained at step 1."""
    run = screen_material.add_run(store, "tuned", updates=1)
    groups = run.config
    method, updates = {**groups["run"], "method": "dpo"}, {**groups["ppo"], "updates": 100}
    store.runs.change(run.id, config={**groups, "run": method, "ppo": updates})
    return run.id


@pytest.fixture
def scorer(store):
    """A finished run that trained a reward model and no policy."""
    run = store.runs.create(RunConfig.of(data="pairs.jsonl", policy="model", method="rm"))
    for step in (1, 2, 3):
        store.metrics.append(run.id, step, {"rm/loss": 0.7 / step, "rm/accuracy": 0.6})
    store.runs.change(run.id, status="finished", stage="finished")
    return run.id


def told(app):
    """What components of ours are told."""
    return handed(app)


def test_charts_of_a_run_without_updates_end_where_its_points_do(store, tuned):
    app = visit("live", run=tuned, view="lengths")
    assert problems(app) == []
    layouts = [one["figure"]["layout"] for one in told(app) if "figure" in one]
    assert [layout["xaxis"]["range"] for layout in layouts] == [[-0.01, 1.01]] * 3
    page = build(store, [tuned]).decode()
    drawn = page.partition('id="figures">')[2].partition("</script>")[0]
    assert "101.0" not in drawn
    assert "[-0.01,1.01]" in drawn


def test_a_run_that_trains_only_a_reward_model_is_no_failure_on_live(scorer):
    app = visit("live", run=scorer)
    assert problems(app) == []
    assert "trains the reward model alone" in shown(app)
    assert "before it wrote" not in shown(app)


@pytest.mark.parametrize("present", ["", "1"])
def test_overview_plays_no_replay_of_a_run_that_measured_no_policy(scorer, tuned, present):
    link = {"present": present} if present else {}
    app = visit("overview", run=scorer, **link)
    assert problems(app) == []
    assert not any("secondsPerUpdate" in one for one in told(app))
    assert "What happened" not in shown(app)
    assert any("drpo-hero" in box.proto.body for box in app.get("html"))
    app = visit("overview", run=tuned, **link)
    assert any("secondsPerUpdate" in one for one in told(app))
