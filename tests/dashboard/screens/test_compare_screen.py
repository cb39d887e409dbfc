"""Compare: seeds as lines, the frontier with its points and budget, and the shelf of all runs."""

import pytest
import screen_material
from screens import problems, visit

from drpo.analysis.metric_series import Feed
from drpo.dashboard.screens.compare.view import drawn_lines, joint_name


@pytest.mark.parametrize(
    ("names", "joint"),
    [
        (["kl_coef=0.2, seed 0", "kl_coef=0.2, seed 1"], "kl_coef=0.2"),
        (["demo 3", "demo 12"], "demo"),
        (["one", "two"], "one"),
        (["seed 1", "seed 2"], "seed 1"),
    ],
)
def test_joined_runs_are_called_by_what_their_names_share(names, joint):
    assert joint_name(names) == joint


def test_runs_that_are_called_the_same_are_told_apart_in_curves_and_sentences(store):
    twins = [add(store, "twin"), add(store, "twin")]
    called = [f"twin ({run.id[-6:]})" for run in twins]
    for by_seed in (False, True):
        runs = [*twins, add(store, f"single {by_seed}", kl_coef=0.3)]
        if by_seed:
            # Joined by seed they are two lines, of two runs each.
            runs += [add(store, "twin", seed=1), add(store, "twin", seed=1, kl_coef=0.3)]
        lines = drawn_lines(runs, feeds_of(store, runs), by_seed=by_seed)
        assert len({line.label for line in lines}) == len(lines)
        if not by_seed:
            assert [line.label for line in lines] == [*called, "single False"]
    app = visit("compare", runs=",".join(run.id for run in twins), budget="20")
    assert problems(app) == []
    [said] = [text.value for text in app.text if text.value.startswith("Best within")]
    assert any(name in said for name in called)


def feeds_of(store, runs):
    return [Feed(store, run.id).refresh() for run in runs]


def turn(store, run, step=6, new=0.9):
    told = {"name": "kl_coef", "old": 0.2, "new": new, "live": True}
    store.events.add(run.id, step, "setting", f"kl_coef 0.2 -> {new}", told, "ann")


def test_a_run_with_a_changed_setting_stays_out_of_its_seed_group_and_says_so(store):
    runs = [add(store, f"same, seed {seed}", seed=seed) for seed in range(3)]
    turn(store, runs[1])
    lines = drawn_lines(runs, feeds_of(store, runs), by_seed=True)
    assert [line.run_ids for line in lines] == [[runs[0].id, runs[2].id], [runs[1].id]]
    assert [line.label for line in lines] == ["same (2 seeds)", "changed: same, seed 1"]


def test_what_was_turned_and_when_is_among_the_differences(store):
    kept, turned = add(store, "kept"), add(store, "turned", seed=1)
    turn(store, turned)
    turn(store, turned, step=8, new=0.2)
    app = visit("compare", runs=f"{kept.id},{turned.id}")
    assert problems(app) == []
    [table] = [frame.value for frame in app.dataframe if "seed" in frame.value.index]
    assert list(table.index) == ["seed", "changed in mid-run"]
    assert list(table.loc["changed in mid-run"]) == [
        "–",
        "kl_coef 0.20 → 0.90 at update 6; kl_coef 0.20 → 0.20 at update 8",
    ]


def add(store, name, **more):
    return screen_material.add_run(store, name, updates=10, **more)


def test_a_budget_and_an_open_point_come_from_the_link(store):
    run = add(store, "mine")
    add(store, "other")
    app = visit("compare", budget="2", of=run.id, step="5")
    assert problems(app) == []
    assert app.number_input(key="budget").value == 2
    assert app.selectbox(key="of").value == run.id
    assert app.select_slider(key="step").value == "5"
    assert any("Best within 2.00 nats: " in text.value for text in app.text)


@pytest.mark.parametrize("budget", ["nan", "-1", "x", "inf"])
def test_a_budget_that_makes_no_sense_is_left_out(store, budget):
    add(store, "mine")
    app = visit("compare", budget=budget)
    assert problems(app) == []
    assert app.number_input(key="budget").value is None


def test_leaving_joined_seeds_keeps_the_first_six_runs(store):
    ids = [add(store, f"s{seed}", seed=seed).id for seed in range(8)]
    app = visit("compare", runs=",".join(ids), by_seed="1")
    assert problems(app) == []
    assert app.multiselect(key="runs").value == ids
    app.toggle(key="by_seed").set_value(False).run()
    assert problems(app) == []
    assert app.multiselect(key="runs").value == ids[:6]


def test_a_link_to_more_runs_than_have_room_says_so_once(store):
    ids = [add(store, f"run {number}").id for number in range(8)]
    app = visit("compare", runs=",".join(ids))
    assert app.multiselect(key="runs").value == ids[:6]
    assert [said.value for said in app.toast] == [
        "8 are asked for; there is room for 6, so the first 6 are shown."
    ]
    assert not app.run().toast
    assert not visit("compare", runs=",".join(ids[:6])).toast
