"""A verdict says what the store supports: who judged, how sure, at what risk, at what cost."""

import pytest
from executive_material import PROMPTS, add_run

from drpo.alarms.alarms import Alarm
from drpo.analysis.head_to_head import call_of, compare, pooled
from drpo.analysis.verdict import head_to_head, scores_at, verdict_of
from drpo.analysis.verdict_words import cost_told
from drpo.config.run_config import RunConfig
from drpo.i18n.format import duration
from drpo.review import ReviewSession, ReviewSource, create_review
from drpo.stats.intervals import Interval
from drpo.store.schema import Vote


def test_gold_outranks_the_reward_model_and_ties_count_half(store):
    run = add_run(store, gold=[1.0, 1.0, 0.0, -1.0], scores=[2.0])
    verdict = verdict_of(store, run)
    assert [one.source for one in verdict.comparisons] == ["gold", "reward_model"]
    main = verdict.main
    assert (main.wins, main.ties, main.losses) == (PROMPTS // 2, PROMPTS // 4, PROMPTS // 4)
    assert main.rate.value == pytest.approx(0.625)
    assert main.rate.low < 0.625 < main.rate.high


def test_a_clear_gain_is_better_and_a_clear_loss_is_worse(store):
    better = verdict_of(store, add_run(store, gold=[1.0, 1.0, 1.0, -1.0], scores=[1.0]))
    worse = verdict_of(store, add_run(store, gold=[-1.0, -1.0, -1.0, 1.0], scores=[1.0]))
    assert (better.main.call, worse.main.call) == ("better", "worse")


def test_an_interval_over_one_half_decides_nothing_and_says_what_would(store):
    verdict = verdict_of(store, add_run(store, gold=[1.0, -1.0, 1.0, -1.0, 1.0], scores=[1.0]))
    assert verdict.main.call == "open"
    assert verdict.main.needed.status == "open"
    assert verdict.main.needed.more > 0


def test_a_gain_that_only_the_reward_model_sees_is_marked_as_gamed(store):
    hacked = verdict_of(store, add_run(store, gold=[-1.0, -1.0, -1.0, 1.0], scores=[2.0]))
    honest = verdict_of(store, add_run(store, gold=[1.0, 1.0, -1.0], scores=[2.0, 2.0, -1.0]))
    assert hacked.gamed
    assert not honest.gamed


def test_without_gold_the_reward_model_is_the_judge(store):
    verdict = verdict_of(store, add_run(store, scores=[1.0, 1.0, 1.0, -1.0]))
    assert verdict.main.source == "reward_model"
    assert verdict.change.source == "reward_model"
    assert not verdict.gamed


def test_the_gain_is_the_mean_difference_per_prompt(store):
    verdict = verdict_of(store, add_run(store, gold=[2.0, 0.0], scores=[1.0]))
    assert verdict.change.first == pytest.approx(4.0)
    assert verdict.change.last == pytest.approx(5.0)
    assert verdict.change.gain.value == pytest.approx(1.0)
    # Forty gains of 2 and 0: standard error 1.0127 / sqrt(40) = .16013, t(39) = 2.0227.
    assert verdict.change.gain.high - 1.0 == pytest.approx(2.0227 * 0.16013, abs=1e-3)


def test_a_run_with_one_evaluation_has_no_verdict(store):
    run = add_run(store, gold=[1.0], scores=[1.0])
    store.samples.truncate(run.id, after_step=0)
    verdict = verdict_of(store, run)
    assert verdict.main is None
    assert verdict.change is None
    assert verdict.first_step is None


def test_blind_votes_outrank_every_score(store):
    run = add_run(store, gold=[1.0], scores=[1.0])
    review = create_review(
        store,
        "first against last",
        [ReviewSource("new", run.id, 10), ReviewSource("old", run.id, 0)],
        items=8,
    )
    session = ReviewSession(store, review.id, "Ada")
    for _ in range(8):
        item = session.next()
        # Whoever reads sees "at 0" or "at 10" in the text; here the old answer is preferred.
        session.vote(item.item, "left" if item.left.endswith("at 0") else "right")
    verdict = verdict_of(store, run)
    assert verdict.main.source == "people"
    assert (verdict.main.wins, verdict.main.losses) == (0, 8)
    assert verdict.main.call == "worse"
    assert verdict.gamed


def test_skips_repeats_and_votes_on_other_steps_are_no_evidence(store):
    run = add_run(store, gold=[1.0], scores=[1.0])
    other = add_run(store, gold=[1.0], scores=[1.0])
    review = create_review(
        store,
        "between runs",
        [ReviewSource("a", run.id, 10), ReviewSource("b", other.id, 0)],
        items=4,
    )
    for item in review.items:
        store.votes.add(Vote(review_id=review.id, reviewer="B", item=item.id, choice="first"))
    own = create_review(
        store,
        "own",
        [ReviewSource("a", run.id, 10), ReviewSource("b", run.id, 0)],
        items=4,
        repeats=2,
    )
    for item in own.items:
        choice = "tie" if item.repeats is None else "first"
        store.votes.add(Vote(review_id=own.id, reviewer="B", item=item.id, choice=choice))
    assert verdict_of(store, run).main.outcomes == (0.5,) * 4


def test_a_later_evaluation_adds_the_answers_that_training_did_not_keep(store):
    run = add_run(store, gold=[1.0], scores=[1.0], prompts=4)
    for step, gold in ((0, 4.0), (10, 6.0)):
        answers = [
            {"prompt": f"prompt {item}", "policy": {"text": "x", "gold": gold, "score": 0.0}}
            for item in range(2, 12)
        ]
        store.documents.put("evaluation", f"{run.id}@{step}", {"answers": answers})
    known = scores_at(store, run.id, 10, "gold")
    assert len(known) == 12
    assert known["prompt 2"] == 5.0  # as kept in training
    assert verdict_of(store, run).main.rate.n == 12


def test_risk_names_the_highest_kl_and_the_alarms(store):
    run = add_run(store, gold=[1.0], scores=[1.0], kl=3.0, alarm_kl_budget=20.0)
    store.metrics.append(run.id, 5, {"eval/kl": 26.0})
    alarm = Alarm("kl_budget", 5, 5, 1, {"kl": 26.0, "budget": 20.0})
    store.events.add(run.id, 5, "alarm", alarm.message, alarm.to_payload(), "monitor")
    risk = verdict_of(store, run).risk
    assert (risk.kl, risk.kl_highest, risk.kl_budget) == (3.0, 26.0, 20.0)
    assert risk.over_budget
    assert [raised.alarm.name for raised in risk.alarms] == ["kl_budget"]


def test_cost_is_what_the_run_wrote_down(store):
    cost = verdict_of(store, add_run(store, gold=[1.0], scores=[1.0], seconds=125.0)).cost
    assert (cost.seconds, cost.episodes, cost.updates) == (125.0, 640, 10)
    assert "640 episodes in 10 updates" in cost_told(cost)


def test_a_method_without_updates_costs_time_alone(store):
    run = add_run(store, gold=[1.0], scores=[1.0], seconds=125.0)
    config = run.config | {"run": run.config["run"] | {"method": "sft"}}
    tuned = store.runs.create(RunConfig.from_nested(config))
    store.runs.change(tuned.id, step=1, summary={"wall_seconds": 125.0})
    cost = verdict_of(store, store.runs.get(tuned.id)).cost
    assert cost.updates == 0
    assert cost_told(cost) == duration(125.0)


def test_two_runs_are_compared_by_the_answers_to_prompts_of_both(store):
    better, worse = (add_run(store, gold=[gain], scores=[gain]) for gain in (2.0, 1.0))
    duel = head_to_head(store, better, worse, "gold")
    assert (duel.wins, duel.losses) == (PROMPTS, 0)
    store.samples.truncate(worse.id, after_step=-1)
    assert head_to_head(store, better, worse, "gold") is None


def test_pooled_seeds_count_a_prompt_once():
    seeds = [compare({"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0}, "gold") for _ in range(3)]
    together = pooled("gold", seeds)
    assert together.rate.n == 6
    assert together.rate.clusters == 2
    assert pooled("gold", []) is None


def test_nothing_in_common_is_no_comparison():
    assert compare({"a": 1.0}, {"b": 1.0}, "gold") is None


def test_a_call_needs_the_whole_interval_on_one_side():
    assert call_of(Interval(0.6, 0.51, 0.7, 10, 10, "t"), 0.5) == "better"
    assert call_of(Interval(0.6, 0.5, 0.7, 10, 10, "t"), 0.5) == "open"
    assert call_of(Interval(0.4, 0.3, 0.49, 10, 10, "t"), 0.5) == "worse"
    assert call_of(Interval(0.6, None, None, 1, 1, "none"), 0.5) == "open"
