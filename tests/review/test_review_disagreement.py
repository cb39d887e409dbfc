"""Votes that part from the learned reward raise an alarm at the run, as any other alarm."""

from review_material import add_run, prefers, two_sources, vote_all

from drpo.alarms.handler import alarms_of, decide
from drpo.review import ReviewSession, ReviewSource, create_review, results
from drpo.review.disagreement import raise_disagreements


def judge(store, sources, wanted, *, items=20):
    review = create_review(store, "mine", sources, items=items)
    vote_all(ReviewSession(store, review.id, "ann"), prefers(wanted))
    return review


def test_people_against_the_learned_reward_raise_the_alarm_at_the_run(store):
    start, tuned = two_sources(store)
    judge(store, [start, tuned], "start says")
    [raised] = alarms_of(store, tuned.run_id)
    assert (raised.alarm.name, raised.alarm.last_step) == ("people_disagree", 10)
    assert raised.alarm.values["human_share"] == 0
    assert raised.alarm.values["model_share"] == 1
    assert "people do not" in raised.alarm.message
    # The other side lost nothing: the reward model likes it less than people do.
    assert alarms_of(store, start.run_id) == []


def test_the_alarm_links_answers_that_score_higher_and_lost(store):
    start, tuned = two_sources(store)
    judge(store, [start, tuned], "start says")
    [raised] = alarms_of(store, tuned.run_id)
    kept = {sample.item: sample for sample in store.samples.at(tuned.run_id, 10)}
    assert len(raised.alarm.evidence) == 3
    for one in raised.alarm.evidence:
        assert (one.step, one.kind) == (10, "heldout")
        assert kept[one.item].response.startswith("tuned says")


def test_people_who_agree_raise_nothing(store):
    sources = two_sources(store)
    judge(store, sources, "tuned says")
    assert [alarms_of(store, source.run_id) for source in sources] == [[], []]


def test_it_is_looked_at_from_both_sides(store):
    start, tuned = two_sources(store)
    judge(store, [tuned, start], "start says")
    assert [one.alarm.name for one in alarms_of(store, tuned.run_id)] == ["people_disagree"]


def test_nothing_is_raised_before_the_reviewer_is_done(store):
    start, tuned = two_sources(store)
    review = create_review(store, "mine", [start, tuned], items=20)
    session = ReviewSession(store, review.id, "ann")
    for _ in range(19):
        item = session.next()
        session.vote(item.item, prefers("start says")(item))
    assert alarms_of(store, tuned.run_id) == []
    item = session.next()
    session.vote(item.item, prefers("start says")(item))
    assert len(alarms_of(store, tuned.run_id)) == 1


def test_too_few_votes_decide_nothing(store):
    start, tuned = two_sources(store)
    judge(store, [start, tuned], "start says", items=9)
    assert alarms_of(store, tuned.run_id) == []


def test_a_start_policy_and_the_datas_answers_have_nothing_to_be_warned_of(store):
    first = add_run(store, "start", [(f"start says {n}", 2.0, 0.0) for n in range(30)], step=0)
    second = add_run(store, "tuned", [(f"tuned says {n}", 1.0, 0.0) for n in range(30)])
    judge(store, [first, second], "tuned says")
    chosen = ReviewSource("data", second.run_id, 10, "chosen")
    judge(store, [chosen, second], "tuned says")
    assert alarms_of(store, first.run_id) == []
    assert alarms_of(store, second.run_id) == []


def test_a_second_look_folds_into_the_first_and_keeps_the_decision(store):
    start, tuned = two_sources(store)
    review = judge(store, [start, tuned], "start says")
    [raised] = alarms_of(store, tuned.run_id)
    decide(store, tuned.run_id, raised.event_id, "ignore", who="ann")
    raise_disagreements(store, results(store, review.id))
    [again] = alarms_of(store, tuned.run_id)
    assert again.event_id == raised.event_id
    assert again.decision["choice"] == "ignore"


def test_a_live_run_is_paused_where_its_settings_ask_for_that(store):
    start, tuned = two_sources(store)
    config = store.runs.get(tuned.run_id).config
    config["alarms"]["alarm_pause"] = ["people_disagree"]
    store.runs.change(tuned.run_id, config=config, status="running")
    judge(store, [start, tuned], "start says")
    [command] = store.commands.pending(tuned.run_id)
    assert (command.kind, command.who) == ("pause", "alarm people_disagree")


def test_a_review_outlives_its_runs(store):
    start, tuned = two_sources(store)
    review = create_review(store, "mine", [start, tuned], items=20)
    store.runs.remove(tuned.run_id)
    vote_all(ReviewSession(store, review.id, "ann"), prefers("start says"))
    assert results(store, review.id).duels[0].votes == 20
