"""The table of runs: what each gained, and which live settings it has."""

import pytest
import screen_material

from drpo.dashboard.state import metric_series


def test_the_table_of_runs_gives_gains_over_the_start_policy(store):
    run = screen_material.add_run(store, "one", updates=10)
    table = metric_series.runs_table([run])
    first, last = run.summary["first"], run.summary["last"]
    assert table.loc[0, "gold_gain"] == pytest.approx(last["gold"] - first["gold"])
    assert table.loc[0, "reset_prob"] == 0.5


@pytest.mark.parametrize(
    ("method", "reset_prob", "kl_coef"),
    [("drpo", 0.5, 0.2), ("ppo", 0.0, 0.2), ("dpo", None, None), ("best_of_n", None, None)],
)
def test_the_table_of_runs_gives_a_live_setting_only_where_it_does_something(
    store, method, reset_prob, kl_coef
):
    run = screen_material.add_run(store, "one", updates=2)
    store.runs.change(run.id, config={**run.config, "run": {**run.config["run"], "method": method}})
    [row] = metric_series.runs_table([store.runs.get(run.id)]).to_dict("records")
    assert (row["reset_prob"], row["kl_coef"]) == (reset_prob, kl_coef)
