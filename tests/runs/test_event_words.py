"""What happened to a run is told in either language, from what the event keeps."""

import re

import pytest

from drpo.alarms.alarms import Alarm
from drpo.alarms.handler import alarms_of, decide, write_down
from drpo.config.run_config import RunConfig
from drpo.i18n import spoken
from drpo.runs import event_words
from drpo.runs.store_observer import StoreObserver
from drpo.runs.supervisor import Supervisor
from drpo.store import Store
from drpo.system import control


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("DRPO_HOME", str(tmp_path))
    opened = Store()
    yield opened
    opened.close()


@pytest.fixture
def run(store):
    return store.runs.create(RunConfig.of(data="d", policy="p", name="told"))


def in_japanese(store, run):
    """Every event's sentence, kind and who, as the Japanese screen shows them."""
    events = store.events.since(run.id)
    with spoken("ja"):
        return [
            (event_words.kind(event), event_words.describe(event, events), event_words.who(event))
            for event in events
        ]


def english(text):
    """Two words of Latin letters in a row: a sentence that was left in English."""
    return re.findall(r"[A-Za-z]{2,} [A-Za-z]{2,}", text)


def test_what_people_ask_of_a_run_is_told_in_japanese(store, run):
    control.stop(store, run.id, "command line")
    control.resume(store, run.id, "someone at the screen")
    store.runs.change(run.id, status="running")
    observer = StoreObserver(store, run.id)
    for order in (control.pause, control.resume, control.stop):
        order(store, run.id, "ann")
        observer.control(3)
    observer.event(3, "checkpoint", "Checkpoint after update 3.", {"folder": "step-3"})
    observer.event(
        3,
        "setting",
        "kl_coef 0.2 -> 0.3",
        {"name": "kl_coef", "old": 0.2, "new": 0.3, "live": True},
    )
    said = in_japanese(store, run)
    assert len(said) == 7
    assert [english(" ".join(row)) for row in said] == [[]] * 7
    assert [row[2] for row in said][:3] == ["コマンドライン", "画面の操作者", "ann"]


def test_an_alarm_and_what_was_decided_about_it_are_told_in_japanese(store, run):
    alarm = Alarm("kl_budget", 3, 3, 1, {"kl": 12.0, "budget": 10.0})
    write_down(store, run.id, alarm)
    [raised] = alarms_of(store, run.id)
    decide(store, run.id, raised.event_id, "ignore", who="ann")
    (_, what, who), (_, decided, by) = in_japanese(store, run)
    assert what == alarm.describe("what", "ja")
    assert (who, by) == ("監視", "ann")
    assert decided == f"{alarm.describe('title', 'ja')}：このまま続ける"


def test_a_worker_that_never_started_is_told_in_japanese(store, run):
    store.runs.change(run.id, status="running", heartbeat_at=1.0, pid=None)
    supervisor = Supervisor(store)
    supervisor.tick()
    supervisor.stop()
    broken = store.runs.get(run.id)
    assert broken.status == "interrupted"
    assert broken.error.startswith("Its worker never started.")
    with spoken("ja"):
        why = event_words.trouble(broken, store.events.since(run.id))
    assert why.startswith("ワーカーが開始しませんでした。")
    assert english(why) == []


def test_an_errors_own_sentence_stays_as_it_is(store, run):
    store.events.add(run.id, 0, "error", "The file x.jsonl is gone.")
    assert in_japanese(store, run)[0][:2] == ("エラー", "The file x.jsonl is gone.")


def test_an_alarm_of_another_version_is_told_in_its_own_sentence(store, run):
    payload = Alarm("too_warm", 3, 3, 1, {"degrees": 95.0}).to_payload()
    store.events.add(run.id, 3, "alarm", "Too warm: 95 degrees.", payload, "monitor")
    less = Alarm("kl_budget", 3, 3, 1, {"kl": 12.0}).to_payload()
    store.events.add(run.id, 3, "alarm", "KL over budget: 12 nats.", less, "monitor")
    said = [what for _, what, _ in in_japanese(store, run)]
    assert said == ["Too warm: 95 degrees.", "KL over budget: 12 nats."]
