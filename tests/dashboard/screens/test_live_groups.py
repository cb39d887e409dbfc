"""Live says how many groups of the last update taught nothing, and what can be done."""

import pytest
from screens import problems, shown, visit

from drpo import metrics
from drpo.config.run_config import RunConfig


@pytest.mark.usefixtures("nothing_cached", "english")
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("keep", "25\u202f% of the groups scored all alike"),
        ("drop", "they were left out of the step"),
        ("resample", "still scored all alike after others were drawn"),
    ],
)
def test_groups_of_zero_spread_are_told_with_what_becomes_of_them(store, setting, said):
    config = RunConfig.of(data="d", policy="p", advantage="rloo", zero_spread_groups=setting)
    run = store.runs.create(config)
    store.metrics.append(
        run.id, 1, {metrics.OBJECTIVE_SCORES: 1.0, metrics.GROUP_ZERO_SPREAD: 0.25}
    )
    app = visit("live", run=run.id)
    assert problems(app) == []
    assert said in shown(app)


@pytest.mark.usefixtures("nothing_cached", "english")
def test_nothing_is_said_where_every_group_teaches(store):
    run = store.runs.create(RunConfig.of(data="d", policy="p", advantage="rloo"))
    store.metrics.append(run.id, 1, {metrics.OBJECTIVE_SCORES: 1.0, metrics.GROUP_ZERO_SPREAD: 0.0})
    assert "scored all alike" not in shown(visit("live", run=run.id))
