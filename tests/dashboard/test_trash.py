"""Deleted sweeps and reviews come back as they were, on the screen and at the command line."""

import pytest
import review_material
from screens import problems, visit
from sweep_material import started

from drpo.cli import main
from drpo.errors import DataError, RunError
from drpo.review import reviews, sampling
from drpo.review.session import ReviewSession
from drpo.sweep import deleting, engine


def press(app, key):
    app.button(key=key).click().run()
    assert not app.exception


def test_a_deleted_sweep_leaves_the_screen_and_comes_back_with_its_runs(store):
    sweep_id = started(store, together=1, seeds=(0,))
    engine.advance(store, sweep_id)
    app = visit("sweep", sweep=sweep_id)
    press(app, "trash_sweep_delete")
    assert problems(app), "one that goes on is refused"
    engine.stop(store, sweep_id, "ann")
    for run in store.runs.all(sweep_id=sweep_id):
        store.runs.change(run.id, status="stopped")
    runs = [run.id for run in store.runs.all(sweep_id=sweep_id)]
    app = visit("sweep", sweep=sweep_id)
    press(app, "trash_sweep_delete")
    assert deleting.listed(store) == []
    assert [run.id for run in store.runs.all(sweep_id=sweep_id)] == runs
    press(app, "trash_sweep_restore")
    assert [sweep.id for sweep in deleting.listed(store)] == [sweep_id]
    assert problems(app) == []


def test_a_deleted_sweep_comes_back_at_the_command_line(store, capsys):
    sweep_id = started(store, together=1, seeds=(0,))
    store.sweeps.change(sweep_id, status="stopped")
    for words in (["delete", sweep_id], ["restore", sweep_id]):
        with pytest.raises(SystemExit) as ended:
            main(["sweep", *words])
        assert ended.value.code == 0
        gone = [sweep.id for sweep in deleting.listed(store, deleted=True)]
        assert gone == ([sweep_id] if words[0] == "delete" else [])
    assert f"drpo sweep restore {sweep_id}" in capsys.readouterr().out
    with pytest.raises(RunError):
        deleting.delete(store, "none")


def test_a_deleted_review_keeps_its_votes(store):
    sources = review_material.two_sources(store, prompts=6)
    review = sampling.create_review(store, "six", sources, items=6)
    session = ReviewSession(store, review.id, "ann")
    session.vote(session.next().item, "left")
    app = visit("review", review=review.id, view="result")
    press(app, "trash_review_delete")
    assert reviews(store) == []
    assert [one.id for one in reviews(store, deleted=True)] == [review.id]
    app = visit("review", view="result")
    press(app, "trash_review_restore")
    assert [one.id for one in reviews(store)] == [review.id]
    assert len(store.votes.all(review.id)) == 1
    with pytest.raises(DataError):
        sampling.delete_review(store, "none")
