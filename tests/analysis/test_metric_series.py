"""The screens' reading of the store: by cursor, once for all, true after a resume."""

import numpy as np
import pandas as pd
import screen_material

from drpo.alarms import Alarm
from drpo.alarms.handler import write_down
from drpo.analysis import metric_series
from drpo.analysis.metric_series import Feed, Series, merge


def fresh(feed):
    """Read now, whatever was read a moment ago."""
    feed.read_at = 0.0
    return feed.refresh()


def test_a_feed_reads_only_rows_above_its_cursor(store):
    run = screen_material.add_run(store, "one", updates=4)
    feed = fresh(Feed(store, run.id))
    before = feed.metric_cursor
    store.metrics.append(run.id, 5, {"objective/kl": 0.5})
    fresh(feed)
    assert feed.metric_cursor == before + 1
    assert feed.get("objective/kl").steps.tolist() == [1, 2, 3, 4, 5]
    assert feed.last("objective/kl") == 0.5


def test_a_second_look_within_the_same_tick_does_not_read_again(store, monkeypatch):
    monkeypatch.setattr(metric_series, "FRESH_SECONDS", 60.0)
    run = screen_material.add_run(store, "one", updates=2)
    feed = Feed(store, run.id).refresh()
    store.metrics.append(run.id, 3, {"objective/kl": 9.0})
    assert feed.refresh().get("objective/kl").steps.tolist() == [1, 2]


def test_what_is_made_of_a_feed_is_named_by_what_it_holds(store):
    run = screen_material.add_run(store, "one", updates=4)
    feed, other = fresh(Feed(store, run.id)), fresh(Feed(store, run.id))
    assert feed.version != other.version
    seen = [feed.version]
    fresh(feed)
    assert feed.version == seen[-1], "nothing is new"
    for write in (
        lambda: store.metrics.append(run.id, 5, {"objective/kl": 0.5}),
        lambda: store.samples.append(run.id, [screen_material.heldout(5, 0, 0.5)]),
        lambda: store.events.add(run.id, 5, "note", "new"),
        lambda: store.samples.truncate(run.id, after_step=4),
    ):
        write()
        seen.append(fresh(feed).version)
    assert len(set(seen)) == 5


def test_after_a_resume_the_values_written_again_replace_the_old_ones(store):
    run = screen_material.add_run(store, "one", updates=6)
    feed = fresh(Feed(store, run.id))
    store.metrics.truncate(run.id, after_step=3)
    store.metrics.append(run.id, 4, {"objective/kl": 4.5})
    fresh(feed)
    assert feed.get("objective/kl").steps.tolist() == [1, 2, 3, 4]
    assert feed.last("objective/kl") == 4.5


def test_events_appear_once_and_in_order(store):
    run = screen_material.add_run(store, "one", updates=15)
    feed = fresh(Feed(store, run.id))
    store.events.add(run.id, 15, "pause", "Paused.")
    fresh(feed)
    assert [event.kind for event in fresh(feed).events] == ["setting", "pause"]


def test_an_alarm_that_is_raised_again_is_told_as_it_stands_now(store):
    run = screen_material.add_run(store, "one", updates=15)
    write_down(store, run.id, Alarm("kl_budget", 5, 5, 1, {"kl": 3.0, "budget": 2.0}))
    feed = fresh(Feed(store, run.id))
    store.events.add(run.id, 9, "pause", "Paused.")
    write_down(store, run.id, Alarm("kl_budget", 5, 10, 2, {"kl": 9.0, "budget": 2.0}))
    fresh(feed)
    assert [event.kind for event in feed.events] == ["setting", "alarm", "pause"]
    told = Alarm.from_payload(feed.events[1].payload)
    assert (told.count, told.values["kl"]) == (2, 9.0)
    assert feed.events[1].message == told.message


def test_merging_keeps_steps_ascending_and_the_later_of_two_values():
    old = {"a": Series(np.array([1, 2], np.int32), np.array([1.0, 2.0], np.float32))}
    rows = pd.DataFrame(
        [(3, 2, "a", 2.5), (4, 3, "a", 3.0), (5, 1, "b", 7.0)],
        columns=["id", "step", "name", "value"],
    )
    merged = merge(old, rows)
    assert merged["a"].steps.tolist() == [1, 2, 3]
    assert merged["a"].values.tolist() == [1.0, 2.5, 3.0]
    assert merged["b"].values.tolist() == [7.0]
