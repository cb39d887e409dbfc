"""All runs in a table: what is found, ticked, tagged, deleted and brought back."""

import screen_material
from screens import notices, problems, visit

from drpo.runs import housekeeping


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
