"""Alarms, on real short runs that are healthy or provoked, and on their way to a person."""

import json
from dataclasses import replace

import pytest
from alarm_runs import Watched, teach, watch
from toy import toy_config, toy_pairs

from drpo.alarms import ALARMS, Alarm, Monitor, people_disagree
from drpo.alarms.alarms import PARTS
from drpo.alarms.handler import AlarmHandler, alarms_of, check_settings, decide
from drpo.alarms.repetition import repetition
from drpo.config.run_config import RunConfig
from drpo.errors import ConfigError, RunError
from drpo.evaluation.baselines import accuracy_of
from drpo.i18n import has
from drpo.modeling.models import load_models
from drpo.types import Sample

CONFIG = RunConfig.of(data="pairs.jsonl", policy="model")


@pytest.fixture(scope="module")
def policy(tmp_path_factory, byte_tokenizer):
    return teach(tmp_path_factory.mktemp("taught"), byte_tokenizer)


@pytest.fixture(scope="module")
def hacked(policy, reward_folder, tmp_path_factory):
    """A run without a brake whose reward is the number of e's."""
    return watch(
        policy,
        reward_folder,
        tmp_path_factory.mktemp("hacked"),
        rule=lambda answer: answer.text.count("e"),
        kl_coef=0.0,
        learning_rate=1e-3,
        missing_eos_penalty=None,
        updates=30,
    )


@pytest.fixture(scope="module")
def one_answer(policy, reward_folder, tmp_path_factory):
    """A policy that fell into one answer: its steps are sixty times too large."""
    return watch(
        policy,
        reward_folder,
        tmp_path_factory.mktemp("one_answer"),
        learning_rate=3e-2,
        num_ppo_epochs=4,
        updates=8,
        eval_every=8,
    )


@pytest.fixture(scope="module")
def idle_critic(policy, reward_folder, tmp_path_factory):
    """A critic that does not learn."""
    return watch(
        policy,
        reward_folder,
        tmp_path_factory.mktemp("idle"),
        rule=lambda answer: 0.01 * len(answer.text),
        critic_learning_rate=1e-12,
        critic_warmup_steps=0,
        critic_init="reward_model",
        updates=22,
        eval_every=22,
        episodes_per_update=16,
    )


@pytest.fixture(scope="module")
def huge_steps(model_folder, reward_folder, tmp_path_factory):
    """An untaught policy whose updates are too large."""
    return watch(
        model_folder(),
        reward_folder,
        tmp_path_factory.mktemp("huge"),
        rule=lambda answer: len(answer.ids),
        learning_rate=3e-2,
        num_ppo_epochs=4,
        updates=6,
        eval_every=6,
        kl_coef=0.0,
        missing_eos_penalty=None,
        episodes_per_update=16,
    )


@pytest.fixture(scope="module")
def few_answers(policy, reward_folder, tmp_path_factory):
    """Resets into eight answers."""
    folder = tmp_path_factory.mktemp("few")
    return watch(policy, reward_folder, folder, pairs=toy_pairs(8), updates=2)


@pytest.fixture(scope="module")
def guessing(model_folder, reward_folder):
    """A reward model that guesses."""
    models = load_models(toy_config(model_folder(), reward_folder))
    # Every pair once in either order: labels that no model can agree with more than half the time.
    pairs = toy_pairs(32)
    swapped = [replace(p, chosen=p.rejected, rejected=p.chosen) for p in pairs]
    accuracy, error = accuracy_of(models.learned, pairs + swapped, models)
    told = {"eval/rm_accuracy": accuracy, "eval/rm_accuracy_se": error}
    return Watched(alarms=Monitor(CONFIG.alarms).update(0, told))


@pytest.fixture(scope="module")
def outvoted():
    """People who do not prefer what the reward model does."""
    alarm = people_disagree(30, human=0.45, low=0.36, high=0.54, votes=100, model=0.8)
    return Watched(alarms=[alarm] if alarm else [])


PROVOKED = {
    "hacked": (
        "kl_budget",
        "kl_runaway",
        "reward_hacking",
        "length_drift",
        "repetition",
        "unfinished",
    ),
    "one_answer": ("identical_answers", "entropy_collapse"),
    "idle_critic": ("value_error",),
    "huge_steps": ("clip_fraction",),
    "few_answers": ("few_reset_answers",),
    "guessing": ("weak_reward_model",),
    "outvoted": ("people_disagree",),
}
"""What each of the fixtures above must raise."""


@pytest.mark.parametrize(
    ("provoked", "name"), [(run, name) for run, names in PROVOKED.items() for name in names]
)
def test_a_provoked_run_raises_the_alarm(request, provoked, name):
    assert name in request.getfixturevalue(provoked).names


@pytest.mark.parametrize("provoked", ["idle_critic", "few_answers", "guessing", "outvoted"])
def test_what_is_wrong_in_one_way_raises_that_alarm_alone(request, provoked):
    assert request.getfixturevalue(provoked).names == set(PROVOKED[provoked])


def test_every_alarm_is_raised_by_something_above(request):
    raised = [
        name
        for provoked, names in PROVOKED.items()
        for name in request.getfixturevalue(provoked).names & set(names)
    ]
    assert sorted(raised) == sorted(ALARMS)


# Ten healthy runs, half of them with resets from time to time, half with other settings.
HEALTHY = [
    {
        "seed": seed,
        "reset_prob": (0.0, 0.25, 0.5, 0.75, 1.0)[seed % 5],
        "kl_coef": 0.05 if seed < 5 else 0.2,
    }
    for seed in range(10)
]


@pytest.mark.slow
@pytest.mark.parametrize("settings", HEALTHY, ids=lambda s: f"seed{s['seed']}")
def test_a_healthy_run_raises_no_alarm(policy, reward_folder, tmp_path, settings):
    run = watch(policy, reward_folder, tmp_path, **settings)
    assert run.names == set()
    assert run.metrics_at[12]["eval/gold"] > 0.75


def test_the_alarm_before_the_budget_comes_before_the_one_over_it(hacked):
    first = {alarm.name: alarm.first_step for alarm in reversed(hacked.alarms)}
    assert first["kl_runaway"] < first["kl_budget"]


def test_repeated_alarms_fold_into_one(hacked):
    drift = [alarm for alarm in hacked.alarms if alarm.name == "length_drift"]
    assert len(drift) > 1
    assert {alarm.first_step for alarm in drift} == {drift[0].first_step}
    assert [alarm.count for alarm in drift] == list(range(1, len(drift) + 1))


def test_an_alarm_links_the_answers_that_show_it(hacked):
    kept = {(s.step, s.kind, s.item, s.start): s for s in hacked.kept_samples}
    alarm = next(one for one in hacked.alarms if one.name == "unfinished")
    shown = [kept[e.step, e.kind, e.item, e.start] for e in alarm.evidence]
    assert shown
    assert not any(sample.finished for sample in shown)
    alarm = next(one for one in hacked.alarms if one.name == "reward_hacking")
    worst = [kept[e.step, e.kind, e.item, e.start] for e in alarm.evidence]
    others = [s for s in hacked.kept_samples if s.step == alarm.first_step and s.kind == "heldout"]
    assert min(s.score for s in worst) > sum(s.score for s in others) / len(others)


def test_an_alarm_suggests_a_stronger_brake(hacked):
    alarm = next(one for one in hacked.alarms if one.name == "reward_hacking")
    assert [choice.kind for choice in alarm.choices] == ["ignore", "pause", "setting"]
    assert (alarm.choices[2].setting, alarm.choices[2].value) == ("kl_coef", 0.05)


def test_the_policy_that_fell_into_one_answer_is_shown_with_it(one_answer):
    alarm = next(one for one in one_answer.alarms if one.name == "identical_answers")
    texts = {
        s.response
        for s in one_answer.kept_samples
        for e in alarm.evidence
        if (s.step, s.kind, s.item, s.start) == (e.step, e.kind, e.item, e.start)
    }
    assert len(texts) == 1


def test_a_run_without_resets_may_have_few_answers_to_reset_into(policy, reward_folder, tmp_path):
    none = watch(policy, reward_folder, tmp_path, pairs=toy_pairs(8), updates=2, reset_prob=0.0)
    assert none.names == set()


def test_a_reward_model_that_tells_the_better_answer_raises_nothing():
    assert Monitor(CONFIG.alarms).update(0, {"eval/rm_accuracy": 0.9}) == []


@pytest.mark.parametrize(
    "votes",
    [
        {"human": 0.45, "low": 0.1, "high": 0.8, "votes": 100, "model": 0.8},
        {"human": 0.0, "low": 0.0, "high": 0.3, "votes": 5, "model": 0.8},
        {"human": 0.7, "low": 0.62, "high": 0.78, "votes": 120, "model": 0.85},
        {"human": 0.2, "low": 0.12, "high": 0.3, "votes": 100, "model": 0.45},
    ],
    ids=["the interval allows it", "too few votes", "people prefer it too", "neither prefers it"],
)
def test_where_the_alarms_title_would_not_be_true_people_raise_none(votes):
    assert people_disagree(30, **votes) is None


def test_people_who_disagree_are_told_with_their_share(outvoted):
    [alarm] = outvoted.alarms
    assert "people do not" in alarm.message
    assert "45 %" in alarm.message


def test_the_monitor_goes_on_after_a_resume_as_if_nothing_had_happened(hacked):
    def by_step(samples):
        return {s: [one for one in samples if one.step == s] for s in hacked.metrics_at}

    kept = by_step(hacked.kept_samples)
    monitor, raised = Monitor(CONFIG.alarms), []
    for step in sorted(hacked.metrics_at):
        raised += monitor.update(step, hacked.metrics_at[step], kept[step])
        state = json.loads(json.dumps(monitor.to_state()))
        monitor = Monitor(CONFIG.alarms, state)
    assert raised == hacked.alarms


def test_an_alarm_that_was_quiet_for_a_while_is_news_again():
    monitor = Monitor(CONFIG.alarms)
    counts = []
    for step, kl in enumerate([30.0, 30.0, 1.0, 30.0, 1.0, 1.0, 1.0, 30.0]):
        raised = monitor.update(step, {"eval/kl": kl})
        counts.append([(alarm.first_step, alarm.count) for alarm in raised])
    assert counts == [[(0, 1)], [(0, 2)], [], [(0, 3)], [], [], [], [(7, 1)]]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", ALARMS)
def test_every_alarm_has_all_its_texts(name, part):
    assert has(f"alarms.{name}_{part}")


def test_an_alarm_reads_in_both_languages(hacked):
    for alarm in hacked.alarms:
        for part in PARTS:
            assert "{" not in alarm.describe(part, "en") + alarm.describe(part, "ja")


def test_repetition_is_the_share_of_sequences_said_before():
    assert repetition("a b c d") == 0
    assert repetition("a b a b a b") == 0.5  # aba bab aba bab
    assert repetition("猫が猫が猫が") == 0.5
    assert repetition("no") == 0


# From the monitor to a person and back.


@pytest.fixture
def run_id(store):
    run = store.runs.create(CONFIG)
    store.runs.change(run.id, status="running", step=3)
    return run.id


HIGH_KL = {"eval/kl": 30.0, "objective/kl_coef": 0.1}


def sample(step):
    return Sample(
        step=step, kind="heldout", item=2, start="prompt", prompt="p", response="r", kl=31.0
    )


def raise_one(store, run_id, limits=CONFIG.alarms):
    handler = AlarmHandler(store, run_id, limits)
    for step in (1, 2, 3):
        handler.metrics(step, HIGH_KL)
        handler.samples([sample(step)])
    handler.close()


def test_the_desk_writes_one_event_for_a_repeated_alarm(store, run_id):
    raise_one(store, run_id)
    (one,) = alarms_of(store, run_id)
    assert (one.alarm.name, one.alarm.first_step, one.alarm.last_step) == ("kl_budget", 1, 3)
    assert one.alarm.count == 3
    assert one.alarm.evidence[0].item == 2
    assert one.decision is None
    assert "30" in store.events.since(run_id)[0].message


def test_a_decision_is_an_event_and_an_order_to_the_run(store, run_id):
    raise_one(store, run_id)
    event_id = alarms_of(store, run_id)[0].event_id
    decide(store, run_id, event_id, "setting", who="Mika", setting="kl_coef", value=0.2)
    decision = alarms_of(store, run_id)[0].decision
    assert (decision["choice"], decision["value"], decision["who"]) == ("setting", 0.2, "Mika")
    (command,) = store.commands.pending(run_id)
    assert (command.kind, command.payload) == ("set", {"kl_coef": 0.2})
    decide(store, run_id, event_id, "pause", who="Mika")
    assert store.commands.pending(run_id)[1].kind == "pause"
    assert "pause" in store.events.since(run_id, kinds=("decision",))[1].message


def test_a_decision_that_makes_no_sense_is_refused(store, run_id):
    raise_one(store, run_id)
    event_id = alarms_of(store, run_id)[0].event_id
    with pytest.raises(RunError, match="no alarm"):
        decide(store, run_id, event_id + 100, "ignore")
    with pytest.raises(RunError, match="ignore, pause or setting"):
        decide(store, run_id, event_id, "shout")
    with pytest.raises(ConfigError):
        decide(store, run_id, event_id, "setting", setting="kl_coef", value=-1.0)
    assert alarms_of(store, run_id)[0].decision is None


def test_an_alarm_may_pause_the_run_by_itself_once(store, run_id):
    raise_one(store, run_id, replace_limits(alarm_pause=("kl_budget",)))
    (command,) = store.commands.pending(run_id)
    assert command.kind == "pause"
    assert "kl_budget" in command.who


def through_json(state):
    return json.loads(json.dumps(state))


def test_a_resumed_desk_neither_forgets_nor_tells_twice(store, run_id):
    handler = AlarmHandler(store, run_id, CONFIG.alarms)
    handler.metrics(1, HIGH_KL)
    state = through_json(handler.to_state())
    handler.metrics(2, HIGH_KL)
    handler.close()
    resumed = AlarmHandler(store, run_id, CONFIG.alarms, state=state)
    resumed.metrics(2, HIGH_KL)
    resumed.close()
    (one,) = alarms_of(store, run_id)
    assert (one.alarm.first_step, one.alarm.last_step, one.alarm.count) == (1, 2, 2)


def test_a_desk_resumed_before_the_first_update_knows_how_the_run_began(store, run_id):
    handler = AlarmHandler(store, run_id, CONFIG.alarms)
    handler.metrics(0, {"eval/mean_length": 10.0})
    state = through_json(handler.to_state())
    handler.metrics(2, {"eval/mean_length": 100.0})
    handler.close()
    resumed = AlarmHandler(store, run_id, CONFIG.alarms, state=state)
    resumed.metrics(2, {"eval/mean_length": 100.0})
    resumed.metrics(4, {"eval/mean_length": 90.0})
    resumed.close()
    (one,) = alarms_of(store, run_id)
    assert (one.alarm.name, one.alarm.first_step, one.alarm.count) == ("length_drift", 2, 2)
    assert one.alarm.values["start"] == 10.0


def replace_limits(**values):
    return CONFIG.replace(**values).alarms


def test_alarm_settings_that_could_never_work_are_refused():
    with pytest.raises(ConfigError, match="no alarm kl_bugdet"):
        check_settings(replace_limits(alarm_pause=("kl_bugdet",)))
    with pytest.raises(ConfigError, match="http"):
        check_settings(replace_limits(alarm_webhook="file:///etc/passwd"))


def test_a_rule_that_breaks_is_logged_and_training_goes_on(store, run_id, caplog):
    handler = AlarmHandler(store, run_id, CONFIG.alarms)
    handler.samples([replace(sample(1), response=None) for _ in range(8)])
    handler.metrics(2, HIGH_KL)
    handler.close()
    assert "could not be looked at" in caplog.text
    assert [one.alarm.name for one in alarms_of(store, run_id)] == ["kl_budget"]


def test_an_alarm_survives_its_way_through_json(hacked):
    for alarm in hacked.alarms:
        assert Alarm.from_payload(json.loads(json.dumps(alarm.to_payload()))) == alarm
