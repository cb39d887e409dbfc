"""A workspace that version 0.1.0 left behind is read by this one: runs, data, sweeps, reviews."""

import math
from collections import Counter

import pytest
from old_workspace import OldWorkspace
from sqlalchemy import text

from drpo.alarms.handler import alarms_of
from drpo.analysis.differences import settings_that_differ
from drpo.analysis.metric_series import Feed
from drpo.charts.annotations import annotations_of
from drpo.config.run_config import RunConfig
from drpo.dashboard.screens.compare.view import lines_of
from drpo.dashboard.screens.playground import session as playground
from drpo.data import load_pairs
from drpo.data.library.uploads import Uploads
from drpo.data.library.versions import find_version
from drpo.data.quality.report import Settings, build_report
from drpo.evaluation.storage import comparison_of, evaluation_of
from drpo.i18n import LANGUAGES, has, spoken
from drpo.metrics import declared, words
from drpo.metrics import of as metric_of
from drpo.pilot import design
from drpo.pilot.result import read as read_pilot
from drpo.playground import sources_of
from drpo.review import results as review_results
from drpo.review.sampling import load_review, reviews
from drpo.review.session import ReviewSession
from drpo.rl import checkpoint_folders
from drpo.runs import event_words, housekeeping
from drpo.store import Store, run_folder
from drpo.sweep import Board

FIRST, K3 = "first-look-95dc4c", "k3-22ef02"
KANA = range(0x3041, 0x3100)
RENAMED = {"knob": "setting"}
"""Kinds of events by their earlier word."""


def every_run(old: OldWorkspace):
    """All runs, the deleted one too."""
    runs = old.store.runs
    return [*runs.all(archived=True), *runs.all(archived=True, deleted=True)]


def found(old: OldWorkspace, run):
    """What `expected/figures.json` says of a run, as this version sees it."""
    store = old.store
    folder = run_folder(run.id) / "checkpoints"
    full = sorted(folder.glob("step-*/state.json"))
    return {
        "name": run.name,
        "status": run.status,
        "step": run.step,
        "method": run.config["run"]["method"],
        "sweep": run.sweep_id,
        "story": run.story,
        "archived": run.archived,
        "deleted": run.deleted_at is not None,
        "pinned": run.pinned,
        "tags": run.tags,
        "error": run.error,
        "metrics_rows": len(store.metrics.since(run.id)),
        "metrics_names": len(store.metrics.names(run.id)),
        "samples": {
            kind: {
                str(step): len(store.samples.at(run.id, step, kind))
                for step in store.samples.steps(run.id, kind)
            }
            for kind in ("heldout", "episode")
        },
        "events": dict(Counter(event.kind for event in store.events.since(run.id))),
        "alarms": sorted(one.alarm.name for one in alarms_of(store, run.id)),
        "knobs": store.events.setting_changes(run.id),
        "kept_policies": sorted(checkpoint_folders.policies(folder)),
        "checkpoints": [checkpoint_folders.step_of(file.parent) for file in full],
        "first": run.summary.get("first"),
        "last": run.summary.get("last"),
    }


def test_every_run_is_what_it_was_under_the_version_that_made_it(old):
    expected = {
        run_id: {
            **run,
            "events": {RENAMED.get(kind, kind): count for kind, count in run["events"].items()},
        }
        for run_id, run in old.figures["runs"].items()
    }
    assert {run.id: found(old, run) for run in every_run(old)} == expected
    assert len(old.store.runs.all()) == old.figures["runs_listed"]
    assert len(old.store.runs.all(archived=True)) == old.figures["runs_listed_with_archived"]


def test_every_metric_has_its_place_on_a_chart_and_its_words(old):
    known = {metric.name for metric in declared()}
    rows = 0
    for run in every_run(old):
        feed = Feed(old.store, run.id).refresh()
        assert all(math.isfinite(value) for value in old.store.metrics.since(run.id)["value"])
        rows += len(old.store.metrics.since(run.id))
        for name in old.store.metrics.names(run.id):
            whole = metric_of(name).whole or name
            assert whole in known, name
            for language in LANGUAGES:
                with spoken(language):
                    assert words.heading(name)[0], name
            assert feed.get(name).last is not None
    assert rows == old.figures["metrics_rows_in_all"]


def test_every_answer_can_be_read(old):
    counted = Counter()
    for run in every_run(old):
        for kind in ("heldout", "episode"):
            for step in old.store.samples.steps(run.id, kind):
                for sample in old.store.samples.at(run.id, step, kind):
                    counted[kind] += 1
                    assert sample.prompt
                    assert sample.prefix == sample.offline[: len(sample.prefix)]
                    assert sample.start in ("prompt", "reset")
                    assert sample.score is not None
    said = old.figures["runs"].values()
    assert counted == {
        kind: sum(sum(run["samples"][kind].values()) for run in said)
        for kind in ("heldout", "episode")
    }


def test_everything_that_happened_is_said_in_both_languages(old):
    kinds = Counter()
    for run in every_run(old):
        events = old.store.events.since(run.id)
        for event in events:
            said = {}
            for language in LANGUAGES:
                with spoken(language):
                    said[language] = event_words.describe(event, events)
                    assert has(f"events.kind_{event.kind}")
                    assert event_words.who(event) or not event.who
            kinds[event.kind] += 1
            if event.kind == "error" and not event.payload:
                assert said["en"] == said["ja"] == event.message  # an error's own sentence
            else:
                assert any(ord(letter) in KANA for letter in said["ja"]), said
                assert not any(ord(letter) in KANA for letter in said["en"]), said
    assert set(kinds) == {
        *("alarm", "checkpoint", "decision", "error", "pause", "resume", "setting", "stage"),
        "stop",
    }


def test_what_ann_and_ben_did_is_told_by_their_names(old):
    events = old.store.events.since(FIRST)
    told = {event.kind: event_words.describe(event, events) for event in events}
    assert told["setting"] == "kl_coef from 0.10 to 0.30"
    assert told["decision"] == "Resets draw from few answers: Go on as it is"
    who = {event.kind: event.who for event in events}
    assert (who["setting"], who["pause"], who["decision"]) == ("Ann", "Ann", "Ben")
    marks = annotations_of(Feed(old.store, FIRST).refresh().events)
    assert marks


def test_a_run_that_took_k3_as_its_reward_is_shown_with_it(old):
    runs = [old.store.runs.get(run_id) for run_id in (FIRST, K3)]
    feeds = [Feed(old.store, run.id).refresh() for run in runs]
    table = settings_that_differ(runs, feeds)
    assert list(table.loc["kl_estimator"]) == ["k1", "k3"]
    # Nor is it one line with a run that has its settings and took k1.
    alike = [runs[1], old.store.runs.get(K3)]
    assert len(lines_of(alike, [feeds[1]] * 2, by_seed=True)) == 1
    del alike[1].config["earlier"]
    assert len(lines_of(alike, [feeds[1]] * 2, by_seed=True)) == 2
    # Whoever begins anew from its settings gets what there is now.
    assert RunConfig.from_nested(runs[1].config).kl.kl_estimator == "k1"


@pytest.mark.parametrize("number", [1, 2])
def test_a_saved_data_set_loads_and_is_checked(old, number):
    said = old.figures["datasets"][number - 1]
    version = find_version(old.store, f"colours:{number}")
    assert (version.id, version.version, version.rows) == (said["id"], number, said["rows"])
    assert version.recipe["left_out"] == said["left_out"]
    loaded = load_pairs(f"colours:{number}", store=old.store)
    assert (len(loaded.pairs), loaded.content_hash) == (said["rows"], said["content_hash"])
    report = build_report(loaded, Settings())
    assert report["counts"]["pairs"] == said["rows"]
    users = {
        *(K3, "queued-56fed1", "queued-bare-e84214"),
        *("resets-or-not-607a-13740f7a-s0", "resets-or-not-607a-baf0c756-s0"),
    }
    assert set(old.store.datasets.users(version)) == (users if number == 1 else set())


def test_the_upload_keeps_its_report(old):
    uploads = Uploads()
    assert uploads.exists(old.figures["upload"])
    assert uploads.report(old.figures["upload"])["counts"]["pairs"] == 24


def test_the_sweep_shows_its_board(old):
    said = old.figures["sweep"]
    board = Board.read(old.store, said["id"])
    assert board.status == said["status"]
    shown = [
        {
            "key": cell.key,
            "values": cell.values,
            "state": cell.state,
            "runs": [run.id for run in cell.runs],
        }
        for cell in board.cells
    ]
    assert shown == said["cells"]
    assert board.best().key == "baf0c756"


def test_the_pilot_shows_what_it_came_to(old):
    (pilot,) = design.every(old.store)
    assert (pilot.id, pilot.decision.choice, pilot.decision.who) == ("6bbca2d2", "repeat", "Ann")
    members = design.members(old.store, pilot)
    assert {member.run.id for member in members} == {
        "colours-a-trial-resets-0-13ea20",
        "colours-a-trial-plain-0-278cfa",
    }
    result = read_pilot(old.store, pilot)
    assert (result.seeds, result.judge, result.effect.t.value) == ((0,), "gold", 0.0)


def test_the_review_keeps_its_votes_and_says_the_same(old):
    said = old.figures["review"]
    (review,) = reviews(old.store)
    assert review == load_review(old.store, said["id"])
    assert (len(review.sources), len(review.items)) == (4, said["items"])
    votes = old.store.votes.all(said["id"])
    assert len(votes) == said["standing_votes"]
    for name, choices in said["choices"].items():
        assert Counter(vote.choice for vote in votes if vote.reviewer == name) == choices
    result = review_results(old.store, said["id"])
    assert result.reasons == said["reasons"]
    assert (result.agreement.alpha.value, result.agreement.items) == (pytest.approx(-0.2), 2)
    progress = ReviewSession(old.store, said["id"], "Ben").progress()
    assert (progress.judged, progress.total) == (3, 9)
    assert ReviewSession(old.store, said["id"], "Ben").next() is not None


def test_evaluations_and_comparisons_are_found(old):
    documents = old.figures["documents"]
    for key in documents["evaluation"]:
        run_id, _, step = key.partition("@")
        kept = evaluation_of(old.store, run_id, int(step))
        assert kept["run"] == run_id
        assert len(kept["answers"]) == 8
    for judge in ("gold", "reward_model", "chat:stub"):
        kept = comparison_of(old.store, f"{K3}@6", f"{FIRST}@8", judge)
        assert kept["wins"] + kept["ties"] + kept["losses"] + kept["unjudged"] == 8
    for kind, keys in documents.items():
        assert sorted(one.key for one in old.store.documents.all(kind)) == keys


def test_the_playgrounds_texts_are_kept_and_its_checkpoints_are_there(old):
    assert [one.key for one in old.store.documents.all(playground.KIND)] == [
        old.figures["playground"]
    ]
    kept = playground.find(old.store, old.figures["playground"])
    assert (kept.prompt, kept.prefix, kept.sampling.top_p) == ("7 black:", " bl", 0.9)
    assert all(answer.text.startswith(" bl") and answer.end for answer in kept.answers)
    steps = [source.step for source in sources_of(old.store.runs.get(FIRST))]
    assert {2, 4, 6, 8} <= set(steps)


def test_a_deleted_run_comes_back(old_copy):
    housekeeping.restore(old_copy.store, "best-of-n-06da07")
    run = old_copy.store.runs.get("best-of-n-06da07")
    assert (run.deleted_at, run.config["stages"]["best_of_n"]) == (None, 2)
    assert len(old_copy.store.runs.all(archived=True)) == 18


def test_reading_rewrites_nothing(old_copy):
    """The version that made it may still be going on beside this one."""

    def rows(store):
        with store.engine.connect() as connection:
            return {
                table: connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2")).fetchall()
                for table in ("runs", "events", "metrics", "documents", "sweeps", "votes")
            }

    before = rows(old_copy.store)
    again = Store()
    for run in again.runs.all(archived=True):
        found(old_copy, run)
    Board.read(again, old_copy.figures["sweep"]["id"])
    assert rows(again) == before
    again.close()
