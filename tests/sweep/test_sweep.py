"""Plans, the queue and the results of sweeps, on a real store."""

import math

import pytest
from sweep_material import BASE, GRID, by_values, finish, plan, run_through, started

from drpo.errors import ConfigError, RunError
from drpo.store import Store
from drpo.sweep import Axis, Board, SweepPlan, advance, advance_all
from drpo.sweep.plan import key_of, parse_seeds


def test_a_sweep_that_another_process_advances_at_the_same_moment_is_not_finished(
    store, monkeypatch
):
    sweep_id = started(store, seeds=(0,), together=1)
    other = Store(store.url)
    create_run = store.runs.create

    def overtaken(*args, **more):
        # Between this process's look at the board and its queueing, another one does the same.
        monkeypatch.setattr(store.runs, "create", create_run)
        advance(other, sweep_id)
        return create_run(*args, **more)

    monkeypatch.setattr(store.runs, "create", overtaken)
    board = advance(store, sweep_id)
    other.close()
    assert board.status == "running"
    assert len(board.live) == 1


def test_reset_probability_zero_is_in_every_grid_first():
    cells = plan().known_cells()
    assert [c["reset_prob"] for c in cells] == [0.0, 0.0, 0.5, 0.5]
    only_kl = plan(axes=(Axis(name="kl_coef", values=(0.1, 0.3)),)).known_cells()
    assert {(c["reset_prob"], c["kl_coef"]) for c in only_kl} == {
        (0.0, 0.1),
        (0.0, 0.3),
        (0.5, 0.1),
        (0.5, 0.3),
    }


def test_random_and_tpe_begin_with_the_control():
    axes = (
        Axis(name="reset_prob", low=0.1, high=1.0),
        Axis(name="kl_coef", low=0.01, high=1, log=True),
    )
    for kind in ("random", "tpe"):
        first = plan(kind=kind, axes=axes).known_cells()[0]
        assert first["reset_prob"] == 0


def test_whole_numbers_and_floats_name_the_same_cell():
    sweep = plan(axes=(Axis(name="kl_coef", values=(1, 2)),))
    assert key_of(sweep.canonical({"kl_coef": 1, "reset_prob": 0})) == key_of(
        sweep.canonical({"kl_coef": 1.0, "reset_prob": 0.0})
    )


@pytest.mark.parametrize(
    ("axis", "said"),
    [
        ({"name": "kl_coeff", "values": (1,)}, "not a setting"),
        ({"name": "seed", "values": (1,)}, "not a setting"),
        ({"name": "kl_coef", "low": 1.0, "high": 0.5}, "low below a high"),
        ({"name": "kl_coef", "low": 0.0, "high": 0.5, "log": True}, "above 0"),
        ({"name": "kl_coef", "values": (0.1, 0.1)}, "twice"),
        ({"name": "reset_prob", "values": (0.5, 1.5)}, "reset_prob"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_in_a_sentence(axis, said):
    with pytest.raises(ConfigError, match=said):
        plan(axes=(axis,))


def test_axes_and_seeds_are_read_from_text():
    assert Axis.parse("kl-coef=0.05,1").values == (0.05, 1)
    assert Axis.parse("reset_schedule=linear,cosine").values == ("linear", "cosine")
    drawn = Axis.parse("kl_coef=0.01:1:log")
    assert (drawn.low, drawn.high, drawn.log) == (0.01, 1.0, True)
    assert parse_seeds("0-2,7") == (0, 1, 2, 7)
    for text in ("kl_coef", "kl_coef=a:b", "kl_coef=0:1:2:log", "=1"):
        with pytest.raises(ConfigError):
            Axis.parse(text)
    with pytest.raises(ConfigError, match="0-4"):
        parse_seeds("a")


def test_the_learned_score_stands_in_where_no_true_reward_is_known(store):
    sweep_id = started(store, seeds=(0,), together=1)
    board = advance(store, sweep_id)
    store.metrics.append(board.runs[0].id, 30, {"eval/scores": 2.5, "eval/scores_se": 0.1})
    store.runs.change(board.runs[0].id, status="finished", step=30)
    board = Board.read(store, sweep_id)
    assert board.metric == "eval/scores"
    assert board.best().mean == 2.5


def test_a_sweep_whose_plan_no_longer_fits_fails_alone(store):
    broken, sound = started(store), started(store)
    plan_of = store.sweeps.get(broken).plan
    store.sweeps.change(broken, plan={**plan_of, "base": {"unknown": {}}})
    advance_all(store)
    assert store.sweeps.get(broken).status == "failed"
    assert len(Board.read(store, sound).runs) == 2


def test_a_plan_whose_axis_is_no_setting_any_more_fails_in_a_sentence_and_alone(store):
    broken, sound = started(store), started(store)
    written = store.sweeps.get(broken).plan
    gone = {**written["axes"][1], "name": "kl_penalty"}
    store.sweeps.change(broken, plan={**written, "axes": [written["axes"][0], gone]})
    advance_all(store)
    assert store.sweeps.get(broken).status == "failed"
    said = store.documents.get("sweep", broken)["error"]
    assert "'kl_penalty' is not a setting that a sweep can vary" in said
    assert "Plan a new sweep" in said
    assert len(Board.read(store, sound).runs) == 2


def test_a_sweep_that_stumbles_over_a_bug_does_not_hold_up_the_others(store, caplog):
    sound, stumbling = started(store), started(store, together=1)
    run_id = advance(store, stumbling).runs[0].id
    config = store.runs.get(run_id).config
    store.runs.change(run_id, config={**config, "kl": {}})  # no such run can be written
    advance_all(store)
    assert f"the sweep {stumbling} could not be advanced" in caplog.text
    assert store.sweeps.get(stumbling).status == "running"
    assert len(Board.read(store, sound).runs) == 2


def test_a_grid_runs_every_cell_with_every_seed_and_gives_an_interval(store):
    sweep_id = started(store, axes=GRID, seeds=(0, 1, 2))
    board = run_through(store, sweep_id, lambda v, seed: 5 + v["reset_prob"] + 0.1 * seed)
    assert board.status == "finished"
    assert len(board.runs) == 12
    cell = by_values(board, reset_prob=0.5, kl_coef=0.2)
    assert cell.state == "done"
    assert cell.n == 3
    assert cell.mean == pytest.approx(5.6)
    # t(.975, 2) = 4.3027, the spread of 5.5, 5.6, 5.7 is .1
    low, high = cell.interval
    assert high - low == pytest.approx(2 * 4.3027 * 0.1 / math.sqrt(3), abs=1e-4)
    assert board.best().values["reset_prob"] == 0.5


def test_one_seed_has_a_mean_and_no_interval(store):
    board = run_through(store, started(store, seeds=(0,)), lambda _v, _s: 5.0)
    assert board.cells[0].mean == pytest.approx(5.0)
    assert board.cells[0].interval is None


def test_the_queue_goes_on_past_a_failed_run(store):
    board = run_through(
        store, started(store), lambda v, seed: None if (v["kl_coef"], seed) == (0.05, 0) else 5.0
    )
    assert board.status == "finished"
    failed = by_values(board, reset_prob=0.5, kl_coef=0.05)
    assert (failed.state, failed.n) == ("part", 1)
    assert sum(run.status == "failed" for run in board.runs) == 2
    assert sum(run.status == "finished" for run in board.runs) == 6


def test_advancing_twice_at_once_queues_nothing_twice(store):
    sweep_id = started(store, together=2)
    first = advance(store, sweep_id)
    again = advance(store, sweep_id)
    assert len(first.runs) == 2
    assert [run.id for run in again.runs] == [run.id for run in first.runs]
    config = again.plan.config(again.cells[0].values, 0)
    with pytest.raises(RunError, match="already"):
        store.runs.create(config, sweep_id=sweep_id, run_id=again.runs[0].id)


def test_all_cells_get_their_first_seed_before_any_gets_its_second(store):
    sweep_id = started(store, together=4)
    assert {run.seed for run in advance(store, sweep_id).runs} == {0}


def test_a_budget_of_runs_ends_the_sweep(store):
    board = run_through(store, started(store, budget_runs=3), lambda _v, _s: 5.0)
    assert board.status == "finished"
    assert len(board.runs) == 3
    assert [cell.state for cell in board.cells].count("not run") == 1


def test_a_budget_of_hours_ends_the_sweep(store):
    # every run takes a minute; after two of them, 1.5 minutes are over
    board = run_through(store, started(store, budget_hours=1.5 / 60), lambda _v, _s: 5.0)
    assert len(board.runs) == 2


def test_an_interrupted_run_goes_on_by_itself_twice_and_then_waits_for_a_person(store):
    sweep_id = started(store, together=1, seeds=(0,))
    run_id = advance(store, sweep_id).runs[0].id
    for _ in range(2):
        store.runs.change(run_id, status="interrupted")
        advance(store, sweep_id)
        assert store.runs.get(run_id).status == "queued"
    store.runs.change(run_id, status="interrupted")
    board = advance(store, sweep_id)
    assert store.runs.get(run_id).status == "interrupted"
    assert len(board.runs) == 2


def test_the_table_has_one_row_a_cell_with_its_seeds_and_interval(store):
    board = run_through(store, started(store), lambda _v, seed: 5.0 + seed)
    row = board.rows()[0]
    assert (row["reset_prob"], row["control"], row["state"], row["seeds"]) == (0, True, "done", 2)
    assert row["low"] < row["mean"] < row["high"]


def test_a_control_has_no_resets_at_any_update_whatever_the_schedule():
    base = BASE.replace(reset_schedule="linear", reset_prob=0.2, reset_prob_final=0.8)
    axes = (
        Axis(name="reset_prob", values=(0.5,)),
        Axis(name="reset_schedule", values=("linear", "cosine")),
    )
    sweep = SweepPlan.of(base, axes=axes, seeds=(0,))
    controls = [cell for cell in sweep.known_cells() if sweep.is_control(cell)]
    # Without resets a schedule of theirs makes no difference: one control stands for both.
    assert controls == [{"reset_prob": 0.0, "reset_schedule": "constant"}]
    config = sweep.config(controls[0], 0)
    assert (config.reset.reset_prob, config.reset.reset_schedule) == (0.0, "constant")
    assert sweep.cell_of(config.model_dump(mode="json")) == controls[0]
    others = [cell for cell in sweep.known_cells() if not sweep.is_control(cell)]
    assert [cell["reset_schedule"] for cell in others] == ["linear", "cosine"]
    assert key_of(sweep.control(others[0])) == key_of(controls[0])


def test_a_deleted_run_says_nothing_of_its_cell(store):
    sweep_id = started(store, seeds=(0, 1), together=2)
    first, _ = advance(store, sweep_id).runs
    finish(store, first.id, 9.0)
    store.runs.change(first.id, deleted_at=1.0)
    cell = next(c for c in Board.read(store, sweep_id).cells if first.id in [r.id for r in c.runs])
    assert cell.at(30) == []
