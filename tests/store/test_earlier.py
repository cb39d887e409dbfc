"""Events that an earlier version stored are found and read under the words of this one."""

import pytest

from drpo.alarms.handler import alarms_of, decide
from drpo.config.run_config import RunConfig
from drpo.runs.event_words import decision, describe
from drpo.runs.store_observer import StoreObserver

CHANGE = {"name": "kl_coef", "old": 0.1, "new": 0.5, "live": True}
ALARM = {
    "name": "kl_budget",
    "first_step": 2,
    "last_step": 3,
    "count": 2,
    "values": {"kl": 30.0, "budget": 25.0},
    "evidence": [],
    "choices": [
        {"kind": "ignore", "knob": "", "value": None},
        {"kind": "knob", "knob": "kl_coef", "value": 0.2},
    ],
}


@pytest.fixture
def run(store):
    """A run whose setting was changed, whose alarm was raised and decided by another version."""
    made = store.runs.create(RunConfig.of(data="d", policy="p"))
    store.events.add(made.id, 2, "setting", "kl_coef 0.1 -> 0.5", CHANGE, "ann")
    alarm = store.events.add(made.id, 3, "alarm", "KL above its budget", ALARM)
    payload = {"alarm_event": alarm, "choice": "knob", "knob": "kl_coef", "value": 0.2}
    store.events.add(made.id, 3, "decision", "Set kl_coef", payload, "ann")
    return made


def test_an_earlier_change_is_listed_and_told_as_a_setting(store, run):
    [event] = store.events.since(run.id, kinds=("setting",))
    assert (event.kind, event.payload, event.who) == ("setting", CHANGE, "ann")
    assert describe(event) == "kl_coef from 0.10 to 0.50"
    assert store.events.setting_changes(run.id) == [
        {"step": 2, "who": "ann", "name": "kl_coef", "old": 0.1, "new": 0.5}
    ]


def test_an_earlier_change_is_made_again_by_a_run_that_resumes_before_it(store, run):
    observer = StoreObserver(store, run.id)
    observer.rewind(1, {"kl_coef": 0.1, "reset_prob": 0.5})
    assert observer.control(2).settings == {"kl_coef": 0.5}
    assert store.events.since(run.id, kinds=("setting",)) == []


def test_an_earlier_change_is_forgotten_with_its_kind(store, run):
    store.events.truncate(run.id, after_step=0, kinds=("setting",))
    assert [event.kind for event in store.events.since(run.id)] == ["alarm", "decision"]


def test_an_earlier_alarm_offers_its_choices_and_shows_what_was_decided(store, run):
    [raised] = alarms_of(store, run.id)
    assert [(one.kind, one.setting) for one in raised.alarm.choices] == [
        ("ignore", ""),
        ("setting", "kl_coef"),
    ]
    assert decision(raised.decision) == "Set kl_coef to 0.2"
    decide(store, run.id, raised.event_id, "ignore")
    assert alarms_of(store, run.id)[0].decision["choice"] == "ignore"
