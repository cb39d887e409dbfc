"""Plans, boards, early stopping and search of sweeps, on a real store."""

import math

import pytest

from drpo.config import RunConfig
from drpo.errors import ConfigError, RunError
from drpo.store import Store
from drpo.sweep import (
    Axis,
    Board,
    SweepPlan,
    advance,
    advance_all,
    create,
    queue_cell,
    resume,
    stop,
)
from drpo.sweep.plan import key_of, parse_seeds
from drpo.sweep.search import importance

BASE = RunConfig.of(data="pairs.jsonl", policy="model", updates=30, eval_every=5)
GRID = (Axis(name="reset_prob", values=(0.5,)), Axis(name="kl_coef", values=(0.05, 0.2)))


def plan(**values):
    return SweepPlan.of(BASE, **{"axes": GRID, "seeds": (0, 1), **values})


def started(store, **values):
    return create(store, plan(**values), "test")


def finish(store, run_id, value, *, until=30, error=0.05, start=4.0):
    """Write what a worker writes: an evaluation every five updates, rising in a line."""
    for step in range(0, until + 1, 5):
        now = start + (value - start) * step / 30
        store.metrics.append(run_id, step, {"eval/gold": now, "eval/gold_se": error})
    status = "finished" if until == 30 else "running"
    store.runs.change(run_id, status=status, step=until, summary={"wall_seconds": 60.0})


def run_through(store, sweep_id, result):
    """Carry a sweep out with `result(values, seed)` as the outcome of each run; None fails it."""
    for _ in range(500):
        board = advance(store, sweep_id)
        if board.status != "running":
            return board
        for cell in board.cells:
            for run in cell.runs:
                if run.status == "queued":
                    value = result(cell.values, run.seed)
                    if value is None:
                        store.runs.change(run.id, status="failed", error="No room.")
                    else:
                        finish(store, run.id, value)
    raise AssertionError("the sweep does not end")


def by_values(board, **values):
    return next(c for c in board.cells if all(c.values[k] == v for k, v in values.items()))


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
        (0.0, 0.1), (0.0, 0.3), (0.5, 0.1), (0.5, 0.3),
    }  # fmt: skip


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


def four_live(store, **values):
    sweep_id = started(store, seeds=(0,), together=4, **values)
    board = advance(store, sweep_id)
    return sweep_id, {(c.values["reset_prob"], c.values["kl_coef"]): c for c in board.cells}


def test_a_clearly_worse_cell_is_stopped_early_and_keeps_no_mean(store):
    sweep_id, cells = four_live(store)
    for (reset, kl), cell in cells.items():
        finish(store, cell.runs[0].id, 2.0 if (reset, kl) == (0.5, 0.05) else 6.0, until=20)
    board = advance(store, sweep_id)
    worse = by_values(board, reset_prob=0.5, kl_coef=0.05)
    assert worse.state == "stopped early"
    assert worse.mean is None
    assert worse.dropped["step"] == 20
    assert store.commands.pending(worse.runs[0].id)[0].kind == "stop"
    assert "standard errors below" in store.events.since(worse.runs[0].id)[0].message
    assert [c.state for c in board.cells].count("stopped early") == 1


def test_the_control_is_never_stopped_early(store):
    sweep_id, cells = four_live(store)
    for (reset, _), cell in cells.items():
        finish(store, cell.runs[0].id, 2.0 if reset == 0 else 6.0, until=20)
    board = advance(store, sweep_id)
    assert all(cell.dropped is None for cell in board.cells)


@pytest.mark.parametrize("case", ["early", "noise", "off"])
def test_nothing_is_stopped_when_it_is_early_or_not_clear_or_not_wanted(store, case):
    sweep_id, cells = four_live(store, early_stop=case != "off")
    for (reset, kl), cell in cells.items():
        value = 2.0 if (reset, kl) == (0.5, 0.05) else 6.0
        until, error = (10, 0.05) if case == "early" else (20, 1.5 if case == "noise" else 0.05)
        finish(store, cell.runs[0].id, value, until=until, error=error)
    assert all(cell.dropped is None for cell in advance(store, sweep_id).cells)


def test_a_cell_stopped_early_comes_back_when_asked_for_and_stays(store):
    sweep_id, cells = four_live(store)
    for key, cell in cells.items():
        finish(store, cell.runs[0].id, 2.0 if key == (0.5, 0.05) else 6.0, until=20)
    advance(store, sweep_id)
    worse = cells[0.5, 0.05]
    store.runs.change(worse.runs[0].id, status="stopped")
    assert queue_cell(store, sweep_id, worse.key) == [0]
    board = advance(store, sweep_id)
    assert by_values(board, reset_prob=0.5, kl_coef=0.05).state == "queued"


def test_a_cell_that_was_not_run_can_be_queued_with_one_call(store):
    board = run_through(store, started(store, budget_runs=6, seeds=(0, 1)), lambda _v, _s: 5.0)
    half = next(cell for cell in board.cells if cell.state == "part")
    assert queue_cell(store, board.id, half.key) == [1]
    with pytest.raises(ConfigError, match="done or on its way"):
        queue_cell(store, board.id, half.key)
    with pytest.raises(RunError, match="no cell"):
        queue_cell(store, board.id, "ffffffff")


def test_a_failed_run_queued_again_goes_on_under_its_own_id(store):
    board = run_through(store, started(store, seeds=(0,)), lambda v, _s: v["kl_coef"] > 0.1 or None)
    failed = next(cell for cell in board.cells if cell.state == "failed")
    queue_cell(store, board.id, failed.key)
    assert store.runs.get(failed.runs[0].id).status == "queued"


def test_a_deleted_run_is_not_queued_behind_the_persons_back(store):
    board = run_through(store, started(store, seeds=(0,)), lambda _v, _s: 5.0)
    gone = board.cells[-1]
    store.runs.change(gone.runs[0].id, deleted_at=1.0)
    resume(store, board.id)
    board = advance(store, board.id)
    assert board.status == "finished"
    assert board.cells[-1].n == 0
    queue_cell(store, board.id, gone.key)
    assert Board.read(store, board.id).cells[-1].n == 1


def test_a_stopped_sweep_goes_on_where_it_was(store):
    sweep_id = started(store, together=2)
    advance(store, sweep_id)
    stop(store, sweep_id)
    board = advance(store, sweep_id)
    assert board.status == "stopped"
    assert {run.status for run in board.runs} == {"stopped"}
    resume(store, sweep_id)
    assert len(advance(store, sweep_id).live) == 2
    board = run_through(store, sweep_id, lambda _v, _s: 5.0)
    assert all(cell.state == "done" for cell in board.cells)


def test_a_stopped_sweep_goes_on_without_a_run_that_was_erased_or_deleted(store):
    sweep_id = started(store, together=2)
    erased, deleted = (run.id for run in advance(store, sweep_id).runs)
    stop(store, sweep_id)
    store.runs.remove(erased)
    store.runs.hide(deleted)
    resume(store, sweep_id)
    assert store.runs.get(deleted).status == "stopped"
    board = run_through(store, sweep_id, lambda _v, _s: 5.0)
    assert board.status == "finished"
    # The erased run's seed was queued anew, the deleted one's was not.
    assert erased in [run.id for run in board.runs if run.status == "finished"]
    assert [cell.state for cell in board.cells].count("part") == 1


def test_runs_that_are_still_saving_when_their_sweep_resumes_go_on_once_they_have_stopped(store):
    sweep_id = started(store, together=2)
    saving, saved = (run.id for run in advance(store, sweep_id).runs)
    for run_id in (saving, saved):
        store.runs.change(run_id, status="running")
    stop(store, sweep_id)
    store.runs.change(saved, status="stopped")
    resume(store, sweep_id)
    assert store.runs.get(saved).status == "queued"
    # The other one is in its last update still, and hears the stop all the same.
    assert len(advance(store, sweep_id).live) == 2
    store.runs.change(saving, status="stopped")
    board = advance(store, sweep_id)
    assert store.runs.get(saving).status == "queued"
    assert store.commands.pending(saving) == []
    assert board.notes["stopped"] == []


def test_a_sweep_stopped_again_while_its_runs_save_forgets_none_of_them(store):
    sweep_id = started(store, together=1)
    [run] = advance(store, sweep_id).runs
    store.runs.change(run.id, status="running")
    stop(store, sweep_id)
    resume(store, sweep_id)
    store.runs.change(run.id, status="stopped")
    stop(store, sweep_id)
    resume(store, sweep_id)
    assert store.runs.get(run.id).status == "queued"


SEARCH = (
    Axis(name="reset_prob", low=0.05, high=1.0),
    Axis(name="kl_coef", low=0.01, high=1.0, log=True),
)


def hill(values, _seed):
    """Best at kl_coef .2; the reset probability hardly matters."""
    return 6 - 2 * math.log10(values["kl_coef"] / 0.2) ** 2 + 0.01 * values["reset_prob"]


def test_random_cells_are_the_same_after_a_restart(store):
    first = run_through(
        store, started(store, kind="random", axes=SEARCH, trials=5, seeds=(0,)), hill
    )
    assert first.plan.known_cells() == plan(kind="random", axes=SEARCH, trials=5).known_cells()
    # five drawn cells, the control, and the control of the best
    assert len(first.cells) == 7
    assert first.control_of(first.best()) is not None


def test_tpe_looks_nearer_to_the_top_than_random_does(store):
    def distances(kind):
        sweep_id = started(store, kind=kind, axes=SEARCH, trials=24, seeds=(0,))
        drawn = [c for c in run_through(store, sweep_id, hill).cells if not c.is_control]
        assert len({cell.key for cell in drawn}) == 24
        return sorted(abs(math.log10(cell.values["kl_coef"] / 0.2)) for cell in drawn)

    # the median of 24 is steadier than the best, which luck alone may make good
    assert distances("tpe")[12] < 0.7 * distances("random")[12]


@pytest.mark.parametrize(
    ("axes", "cells"),
    [
        ((Axis(name="num_ppo_epochs", low=1, high=4),), 4),
        ((Axis(name="kl_coef", values=(0.05, 0.1)), Axis(name="gamma", values=(0.9, 1.0))), 4),
    ],
)
def test_tpe_ends_when_its_space_has_fewer_cells_than_it_may_try(store, axes, cells):
    sweep_id = started(store, kind="tpe", axes=axes, trials=12, seeds=(0,))
    board = run_through(store, sweep_id, lambda v, _s: 5.0 + v["reset_prob"])
    assert board.status == "finished"
    tried = [cell for cell in board.cells if not cell.is_control]
    assert len({cell.key for cell in tried}) == len(tried) == cells
    assert len(board.notes["proposed"]) <= len(board.cells)


def test_importance_names_the_setting_that_matters(store):
    board = run_through(store, started(store, kind="tpe", axes=SEARCH, trials=24, seeds=(0,)), hill)
    shares = importance(board)
    assert shares["kl_coef"] > 2 * shares["reset_prob"]
    assert sum(shares.values()) == pytest.approx(1)


def test_importance_of_a_grid_is_its_analysis_of_variance(store):
    board = run_through(
        store,
        started(store, seeds=(0,)),
        lambda v, _s: 5 + 2 * v["reset_prob"] + 2 * (v["kl_coef"] > 0.1),
    )
    # means 5, 7, 6, 8: variance 1.25, of which 1 lies between the KL coefficients and .25 between
    # the reset probabilities; nothing is left over
    assert importance(board) == pytest.approx(
        {"reset_prob": 0.2, "kl_coef": 0.8, "interaction": 0.0}
    )


def test_importance_is_silent_when_there_is_too_little_to_say(store):
    sweep_id = started(store)
    assert importance(advance(store, sweep_id)) == {}
    flat = run_through(store, started(store, seeds=(0,)), lambda _v, _s: 5.0)
    assert importance(flat) == {}


def test_the_table_has_one_row_a_cell_with_its_seeds_and_interval(store):
    board = run_through(store, started(store), lambda _v, seed: 5.0 + seed)
    row = board.rows()[0]
    assert (row["reset_prob"], row["control"], row["state"], row["seeds"]) == (0, True, "done", 2)
    assert row["low"] < row["mean"] < row["high"]
