"""What a look at data and start policy leads to, and that a look is what it says."""

import json

import pytest
from toy import RecordingObserver, toy_pairs

from drpo.advice.advise import advise
from drpo.advice.carry import look_at
from drpo.advice.look import GROUP, TENTHS, Depth, Look
from drpo.config.run_config import RunConfig


def look_of(rates, groups=400):
    """A look whose groups at each depth succeed at a rate, dealt out evenly within groups."""
    depths = []
    for tenth, rate in enumerate(rates):
        wins, scores = 0.0, []
        for _ in range(groups):
            group = []
            for _ in range(GROUP):
                wins += rate
                group.append(float(wins >= 1))
                wins -= wins >= 1
            scores.append(group)
        depths.append(Depth(tenth / TENTHS, scores))
    return Look(tuple(depths), 0.5, -1.0, groups, 10.0, groups * GROUP * TENTHS)


@pytest.mark.parametrize(
    ("rates", "verdict"),
    [
        ([0.3] + [0.5] * 9, "enough"),
        ([0.0] * 10, "hopeless"),
        ([1.0] * 10, "hopeless"),
        ([0.0] * 6 + [0.1, 0.2, 0.3, 0.5], "per_prompt"),
        ([0.01] + [0.1 * n for n in range(1, 10)], "uniform"),
    ],
)
def test_the_advice_follows_where_groups_differ(rates, verdict):
    found = advise(look_of(rates))
    assert found.verdict == verdict
    assert found.others == (), "400 groups a depth leave no doubt"
    for language in ("en", "ja"):
        assert all(reason.text(language) for reason in found.reasons)
    config = RunConfig.of(data="d", policy="p", **found.settings)
    assert (config.reset.reset_prob == 0) == (found.method == "ppo")


def test_few_draws_leave_the_advice_open_and_it_says_so():
    assert advise(look_of([0.0] * 6 + [0.1, 0.2, 0.3, 0.5], groups=4)).others


def test_a_look_draws_every_depth_alike_and_the_same_again(model_folder, tmp_path):
    rows = [
        {"prompt": p.prompt, "chosen": p.chosen, "rejected": p.rejected, "facts": p.facts}
        for p in toy_pairs(12)
    ]
    data = tmp_path / "pairs.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)))
    slots = {"colour": ["red", "blue", "green", "black"]}
    gold = {"kind": "facts", "strict": True, "slots": slots}
    (tmp_path / "pairs.jsonl.gold.json").write_text(json.dumps(gold))
    config = RunConfig.of(
        data=str(data),
        policy=str(model_folder()),
        reward_source="gold",
        response_length=8,
        max_prompt_length=40,
        num_mini_batches=4,  # more than a look has episodes
    )
    first, again = (look_at(config, None, RecordingObserver(), seconds=0) for _ in range(2))
    assert [depth.scores for depth in first.depths] == [depth.scores for depth in again.depths]
    assert {len(depth.scores) for depth in first.depths} == {first.prompts}
    assert first.episodes == first.prompts * TENTHS * GROUP
    assert first.level == config.reset.reset_success
    assert first.coverage < 0
