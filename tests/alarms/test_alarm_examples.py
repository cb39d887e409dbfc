"""An alarm links the very answers that show it, and its card shows those and no others."""

import pytest
import screen_material

from drpo.alarms import Alarm, Monitor
from drpo.alarms.alarms import Evidence
from drpo.config.run_config import RunConfig
from drpo.dashboard.components.alarm_cards import evidence_cards
from drpo.types import Sample

LIMITS = RunConfig.of(data="pairs.jsonl", policy="model").alarms


def episode(item, response="r", **known):
    usual = {"step": 20, "kind": "episode", "start": "prompt", "prompt": f"prompt {item}"}
    return Sample(**(usual | {"item": item, "response": response} | known))


def raised(name, told, samples):
    """The alarm of one name that the last of some steps raises."""
    monitor = Monitor(LIMITS)
    for step, metrics in told.items():
        alarms = monitor.update(step, metrics, samples if step == max(told) else ())
    return next(alarm for alarm in alarms if alarm.name == name)


def linked(alarm, samples):
    """What an alarm links, found again as a reader of the store finds it."""
    found = []
    for one in alarm.evidence:
        place = (one.step, one.kind, one.item, one.start)
        found.append([s for s in samples if (s.step, s.kind, s.item, s.start) == place][one.number])
    return found


HIGH_KL = {20: {"eval/kl": 30.0}}


def test_each_of_several_answers_to_one_item_is_linked_for_itself():
    samples = [episode(7, f"answer {n}", kl=float(n)) for n in range(8)]
    alarm = raised("kl_budget", HIGH_KL, samples)
    assert [one.item for one in alarm.evidence] == [7, 7, 7]
    assert [one.response for one in linked(alarm, samples)] == ["answer 7", "answer 6", "answer 5"]


def test_the_card_shows_exactly_the_linked_answers_each_once(store):
    run = screen_material.add_run(store, "mine", updates=5)
    samples = [episode(n % 2, f"answer {n}", kl=float(n)) for n in range(8)]
    store.samples.append(run.id, samples)
    alarm = raised("kl_budget", HIGH_KL, samples)
    cards = evidence_cards(run, Alarm.from_payload(alarm.to_payload()).evidence)
    assert [one.answers[0].response for one in cards] == ["answer 7", "answer 6", "answer 5"]
    assert len({one.id for one in cards}) == 3


def test_an_alarm_of_an_earlier_version_shows_as_many_answers_as_it_linked(store):
    run = screen_material.add_run(store, "mine", updates=5)
    store.samples.append(run.id, [episode(n % 2, f"answer {n}") for n in range(8)])
    written = {"step": 20, "kind": "episode", "item": 1, "start": "prompt"}
    payload = Alarm("unfinished", 20, 20, 1, {}).to_payload() | {"evidence": [written] * 3}
    cards = evidence_cards(run, Alarm.from_payload(payload).evidence)
    assert [one.answers[0].response for one in cards] == ["answer 1", "answer 3", "answer 5"]
    assert len({one.id for one in cards}) == 3


def test_answers_that_are_no_longer_kept_are_left_out(store):
    run = screen_material.add_run(store, "mine", updates=5)
    assert evidence_cards(run, [Evidence(99, "heldout", 0, "prompt", 0)]) == []


@pytest.mark.parametrize(("now", "shown"), [(9.0, [9, 8, 7]), (1.0, [1, 2, 3])])
def test_a_drift_in_length_shows_the_longest_or_the_shortest_as_it_goes(now, shown):
    told = {0: {"eval/mean_length": 3.0}, 20: {"eval/mean_length": now}}
    # After a reset only the rest was written: that is short without any drift.
    samples = [episode(n, response_tokens=n) for n in range(1, 10)]
    samples += [episode(n, response_tokens=0, start="reset") for n in range(3)]
    alarm = raised("length_drift", told, samples)
    assert [one.response_tokens for one in linked(alarm, samples)] == shown


def test_a_collapse_of_entropy_shows_the_answers_that_are_most_alike():
    told = {step: {"policy/entropy_avg": 2.0 if step < 18 else 0.1} for step in range(21)}
    texts = ["red as a rose", "blue as the sky", "no idea", "blue as the sea", "blue as the skin"]
    samples = [episode(n, text) for n, text in enumerate(texts)]
    shown = {one.response for one in linked(raised("entropy_collapse", told, samples), samples)}
    assert shown == {"blue as the sky", "blue as the sea", "blue as the skin"}


def test_updates_that_are_too_large_show_the_answers_that_went_furthest():
    told = {step: {"policy/clipfrac_avg": 0.9} for step in range(18, 21)}
    samples = [episode(n, kl=float(n)) for n in range(5)]
    shown = linked(raised("clip_fraction", told, samples), samples)
    assert [one.kl for one in shown] == [4.0, 3.0, 2.0]


def test_a_poor_critic_shows_the_episodes_it_should_have_foreseen():
    told = {step: {"val/explained_variance": -2.0} for step in range(10, 21)}
    scores = [1.0, 1.1, 9.0, None, 0.9, -6.0, 1.0]
    samples = [episode(n, score=score) for n, score in enumerate(scores)]
    shown = linked(raised("value_error", told, samples), samples)
    assert [one.score for one in shown][:2] == [9.0, -6.0]
    assert None not in [one.score for one in shown]


def test_an_alarm_without_answers_links_none():
    samples = [episode(n) for n in range(5)]
    alarm = raised("weak_reward_model", {20: {"eval/rm_accuracy": 0.5}}, samples)
    assert alarm.evidence == ()


def test_kl_of_prompt_starts_is_looked_at_only_while_there_are_any():
    steep = {
        step: {"objective/kl": 1.0 * step, "objective/kl_prompt": 2.5 * step}
        for step in range(1, 9)
    }
    monitor = Monitor(LIMITS)
    assert "kl_runaway" in {a.name for s, m in steep.items() for a in monitor.update(s, m)}
    # From now on every episode is reset, and KL stands still.
    names = [
        {alarm.name for alarm in monitor.update(step, {"objective/kl": 8.0})}
        for step in range(9, 20)
    ]
    assert "kl_runaway" not in set().union(*names[3:])
