"""Compare: seeds as lines, the frontier with its points and budget, and the shelf of all runs."""

import base64

import numpy as np
import plotly.graph_objects as go
import pytest
import screen_material
from screens import notices, problems, visit
from series import Run, coloured

from drpo.analysis.metric_series import Feed
from drpo.charts import compare_charts, frontier_chart
from drpo.charts.compare_charts import RunGroup
from drpo.dashboard.screens.compare.view import drawn_lines, joint_name
from drpo.runs import housekeeping


def run_with(gold, kl, se=None):
    series = {"eval/gold": gold, "eval/kl": kl} | ({"eval/gold_se": se} if se else {})
    return Run(**series)


TWO = RunGroup(
    "both",
    [
        run_with([(0, 1.0), (5, 2.0), (10, 3.0)], [(0, 0.0), (5, 1.0), (10, 2.0)], [(5, 0.1)]),
        run_with([(0, 1.0), (5, 4.0), (10, 5.0)], [(0, 0.0), (5, 3.0), (10, 4.0)]),
    ],
    ["a", "b"],
)
ONE = RunGroup("single", [run_with([(0, 1.0), (5, 2.5)], [(0, 0.0), (5, 1.5)])], ["c"])


def numbers(packed):
    return np.frombuffer(base64.b64decode(packed["bdata"]), dtype=np.float32).tolist()


def test_joined_seeds_are_drawn_as_their_mean_and_each_line():
    figure = compare_charts.over_steps([TWO], "eval/gold")
    lines = [trace for trace in figure["data"] if not trace.get("fill")]
    drawn = sorted(tuple(numbers(trace["y"])) for trace in lines)
    assert drawn == [(1.0, 2.0, 3.0), (1.0, 3.0, 4.0), (1.0, 4.0, 5.0)]
    # The browser draws traces of one uid once.
    assert len({trace["uid"] for trace in figure["data"]}) == len(figure["data"])
    go.Figure(coloured(figure))


def test_the_band_of_two_seeds_is_students_interval():
    figure = compare_charts.over_steps([TWO], "eval/gold")
    [band] = [trace for trace in figure["data"] if trace.get("fill")]
    top = numbers(band["y"])[1]
    # t(.975, 1) = 12.706; the standard error of 2 and 4 is 1, their mean 3.
    assert top == pytest.approx(3 + 12.706, abs=1e-3)
    low, high = figure["layout"]["yaxis"]["range"]
    assert low < 1
    assert 5 < high < 8


def test_a_seed_that_has_not_begun_holds_the_others_up_nowhere():
    waiting = RunGroup("both", [*TWO.members, Run()], ["a", "b", "d"])
    figure = compare_charts.over_steps([waiting], "eval/gold")
    lines = [numbers(trace["y"]) for trace in figure["data"] if not trace.get("fill")]
    assert [1.0, 3.0, 4.0] in lines
    assert len(lines) == 3
    nobody = RunGroup("none", [Run(), Run()], ["d", "e"])
    assert compare_charts.over_steps([nobody], "eval/gold")["data"] == []
    assert frontier_chart.frontier([nobody], "eval/gold", budget=1.0)["data"] == []


def test_the_frontier_has_one_point_a_checkpoint_that_names_run_and_step():
    figure = frontier_chart.frontier([TWO, ONE], "eval/gold")
    told = [point for trace in figure["data"] for point in trace.get("customdata", ())]
    assert [point[:2] for point in told] == [
        [0, "a"],
        [5, "a"],
        [10, "a"],
        [0, "b"],
        [5, "b"],
        [10, "b"],
        [0, "c"],
        [5, "c"],
    ]
    assert [point[2] for point in told] == ["", " ± 0.2", *[""] * 6]
    assert len({trace["uid"] for trace in figure["data"]}) == len(figure["data"])
    go.Figure(coloured(figure))


def test_the_mean_of_joined_seeds_is_a_line_of_its_own_on_the_frontier():
    figure = frontier_chart.frontier([TWO], "eval/gold")
    [mean] = [trace for trace in figure["data"] if trace["mode"] == "lines"]
    assert numbers(mean["x"]) == [0, 2, 3]
    assert numbers(mean["y"]) == [1, 3, 4]


def test_a_budget_is_a_line_that_is_seen_even_beyond_all_points():
    figure = frontier_chart.frontier([TWO], "eval/gold", budget=10.0)
    [line] = figure["layout"]["shapes"]
    assert (line["x0"], line["x1"]) == (10, 10)
    assert figure["layout"]["xaxis"]["range"][1] > 10
    assert any("10" in note["text"] for note in figure["layout"]["annotations"])


def test_the_best_within_a_budget_is_the_highest_of_the_points_on_its_near_side():
    best = frontier_chart.best_within([TWO, ONE], "eval/gold", 2.0)
    assert (best.run_id, best.step, best.reward) == ("a", 10, 3.0)
    assert frontier_chart.best_within([ONE], "eval/gold", 1.0).step == 0
    later = RunGroup("later", [run_with([(5, 2.0)], [(5, 1.0)])], ["d"])
    assert frontier_chart.best_within([later], "eval/gold", 0.5) is None


def test_the_start_policy_anchors_the_frontier_where_all_begin_at_one():
    figure = frontier_chart.frontier([TWO, ONE], "eval/gold", same_start=True)
    [level] = figure["layout"]["shapes"]
    assert level["y0"] == level["y1"] == 1.0
    assert "start policy" in [note["text"] for note in figure["layout"]["annotations"]]
    assert frontier_chart.frontier([TWO], "eval/gold")["layout"]["shapes"] == []


def test_the_open_point_is_ringed():
    figure = frontier_chart.frontier([TWO, ONE], "eval/gold", chosen=("b", 5))
    [ring] = [trace for trace in figure["data"] if trace["name"] == "chosen"]
    assert (numbers(ring["x"]), numbers(ring["y"])) == ([3], [4])


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


# The screen.


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


def test_a_link_says_what_is_looked_for_among_all_runs(store):
    add(store, "wanted"), add(store, "other")
    app = visit("compare", shelf="1", shelf_search="want")
    assert problems(app) == []
    assert app.text_input(key="shelf_search").value == "want"
    [table] = [f.value for f in app.dataframe if (f.key or "").startswith("shelf_")]
    assert len(table) == 1


def add(store, name, **more):
    return screen_material.add_run(store, name, updates=10, **more)


def tick(app, *rows):
    """Tick rows of the table of all runs, as a click on their boxes does."""
    [table] = [frame.key for frame in app.dataframe if (frame.key or "").startswith("shelf_")]
    app.session_state[table] = {"selection": {"rows": list(rows)}}
    app.run()
    assert problems(app) == []
    return app


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


def test_ticked_runs_are_pinned_and_come_first(store):
    first = add(store, "first")
    add(store, "second")
    app = tick(visit("compare", shelf="1"), 1)
    app.button(key="shelf_pinned").click().run()
    assert store.runs.all()[0].id == first.id
    app = tick(app, 0)
    app.button(key="shelf_pinned").click().run()
    assert not store.runs.get(first.id).pinned


def test_compare_these_says_which_of_the_ticked_runs_it_leaves_out(store):
    ids = [add(store, f"s{seed}", seed=seed).id for seed in range(8)][::-1]
    app = tick(visit("compare", shelf="1"), *range(6))
    assert notices(app) == []
    app = tick(app, *range(8))
    [said] = notices(app)
    assert "leaves out: s1, s0\n" in said
    assert "up to 24" in said
    app.button(key="shelf_compare").click().run()
    assert app.multiselect(key="runs").value == ids[:6]
    assert notices(app) == [said]


def test_compare_these_takes_all_ticked_runs_where_seeds_are_joined(store):
    ids = [add(store, f"s{seed}", seed=seed).id for seed in range(8)][::-1]
    app = tick(visit("compare", shelf="1", by_seed="1"), *range(8))
    assert notices(app) == []
    app.button(key="shelf_compare").click().run()
    assert problems(app) == []
    assert app.multiselect(key="runs").value == ids


def test_a_compared_run_that_is_deleted_here_is_said_once_with_its_way_back(store):
    run, other = add(store, "mine"), add(store, "other")
    app = tick(visit("compare", shelf="1", runs=f"{run.id},{other.id}"), 1)
    app.button(key="shelf_delete").click().run()
    assert app.multiselect(key="runs").value == [other.id]
    assert not any(run.id in box for box in notices(app))
    assert app.button(key=f"undo_{run.id}")


def test_a_link_to_more_runs_than_have_room_says_so_once(store):
    ids = [add(store, f"run {number}").id for number in range(8)]
    app = visit("compare", runs=",".join(ids))
    assert app.multiselect(key="runs").value == ids[:6]
    assert [said.value for said in app.toast] == [
        "8 are asked for; there is room for 6, so the first 6 are shown."
    ]
    assert not app.run().toast
    assert not visit("compare", runs=",".join(ids[:6])).toast


def test_the_table_of_all_runs_is_drawn_only_once_it_is_unfolded(store):
    add(store, "one"), add(store, "two")
    app = visit("compare")
    assert problems(app) == []
    assert not [frame.key for frame in app.dataframe if (frame.key or "").startswith("shelf_")]
    app.session_state["shelf"] = True
    app.run()
    assert problems(app) == []
    assert [frame.key for frame in app.dataframe if (frame.key or "").startswith("shelf_")]
    assert app.query_params["shelf"] == "1"


def test_a_ticked_run_is_renamed(store):
    run = add(store, "first")
    app = tick(visit("compare", shelf="1"), 0)
    app.text_input(key=f"name_{run.id}").set_value("**bold** <b>").run()
    app.button(key="shelf_rename_save").click().run()
    assert problems(app) == []
    assert store.runs.get(run.id).name == "**bold** <b>"


def test_tags_of_several_runs_change_together_and_keep_what_only_one_had(store):
    one, two = add(store, "one"), add(store, "two")
    housekeeping.tag(store, one.id, ["common", "own"])
    housekeeping.tag(store, two.id, ["common"])
    app = tick(visit("compare", shelf="1"), 0, 1)
    [field] = [field for field in app.multiselect if (field.key or "").startswith("tags_")]
    assert field.value == ["common"]
    field.set_value(["own"]).run()
    app.button(key="shelf_tags_save").click().run()
    assert store.runs.get(one.id).tags == ["own"]
    assert store.runs.get(two.id).tags == ["own"]


def test_an_archived_run_leaves_the_choice_until_it_is_asked_for(store):
    run = add(store, "old")
    add(store, "new")
    app = tick(visit("compare", shelf="1"), 1)
    app.button(key="shelf_archived").click().run()
    assert store.runs.get(run.id).archived
    app = visit("compare", shelf="1")
    assert run.id not in app.multiselect(key="runs").options
    assert visit("compare", runs=run.id).multiselect(key="runs").value == [run.id]
    app.toggle(key="archived").set_value(True).run()
    assert any(run.name in option for option in app.multiselect(key="runs").options)


def test_a_deleted_run_is_gone_at_once_and_undo_brings_it_back(store):
    run, other = add(store, "mine"), add(store, "other")
    app = tick(visit("compare", shelf="1"), 1)
    app.button(key="shelf_delete").click().run()
    assert problems(app) == []
    assert [kept.id for kept in store.runs.all()] == [other.id]
    assert app.multiselect(key="runs").value == [other.id]
    app.button(key=f"undo_{run.id}").click().run()
    assert {kept.id for kept in store.runs.all()} == {run.id, other.id}


def test_a_deleted_run_can_be_erased_after_a_second_question(store):
    run = add(store, "mine")
    housekeeping.delete(store, run.id)
    app = visit("compare")
    assert app.selectbox(key="deleted_run").value == run.id
    app.button(key="shelf_erase_now").click().run()
    assert problems(app) == []
    assert store.runs.all(deleted=True) == []


def test_a_live_run_cannot_be_deleted_on_the_screen(store):
    add(store, "live", upto=5, status="paused")
    app = tick(visit("compare", shelf="1"), 0)
    assert app.button(key="shelf_delete").disabled
    assert not app.button(key="shelf_archived").disabled


def test_a_run_that_began_again_meanwhile_is_kept_and_the_screen_says_why(store):
    run = add(store, "mine")
    app = tick(visit("compare", shelf="1"), 0)
    store.runs.change(run.id, status="queued")
    app.button(key="shelf_delete").click().run()
    [problem] = problems(app)
    assert "Stop it first" in problem
    assert store.runs.get(run.id).deleted_at is None
