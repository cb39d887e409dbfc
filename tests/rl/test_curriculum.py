"""How deep resets go and which prompts are reset, by rule and by what was seen."""

import json
import random
from collections import Counter

import pytest
from scipy.stats import binom, chisquare

from drpo.config.run_config import RunConfig
from drpo.errors import ConfigError
from drpo.modeling.tokenization import TokenizedPair
from drpo.rl.curriculum import Curriculum
from drpo.rl.resets import Start, by_item, draw, place_starts
from drpo.rl.schedules import reset_share

DEPTHS = 6
"""Tokens of each answer, and so many prefix lengths: 0 to 5."""


def curriculum(**settings):
    return Curriculum(RunConfig.of(data="d", policy="p", **settings))


def answers(count):
    return [
        TokenizedPair(i, "chosen", (10, 11), tuple(range(100, 100 + DEPTHS))) for i in range(count)
    ]


def starts_of(rule, count=1, step=0, share=0.0, reset_prob=1.0):
    rows = answers(count)
    prompts = [TokenizedPair(row.item, "prompt", row.prompt) for row in rows]
    return place_starts(
        prompts,
        by_item(rows),
        draw(count, 0, step),
        reset_prob=reset_prob,
        min_prefix=0,
        curriculum=rule,
        share=share,
    )


def test_uniform_is_what_no_curriculum_gives():
    assert starts_of(curriculum(), 300) == starts_of(None, 300)


@pytest.mark.parametrize(("share", "prefix"), [(0.0, 0), (0.34, 2), (0.5, 3), (1.0, 5)])
def test_a_fixed_share_gives_that_share_and_never_the_end(share, prefix):
    rule = curriculum(reset_depth="fixed")
    assert {start.prefix for start in starts_of(rule, 50, share=share)} == {prefix}


def test_backwards_the_share_falls_from_all_to_the_final_one():
    config = RunConfig.of(
        data="d",
        policy="p",
        updates=11,
        reset_depth="fixed",
        reset_share=1.0,
        reset_share_schedule="linear",
        reset_share_final=0.1,
    )
    shares = [reset_share(config, step) for step in range(11)]
    assert shares == pytest.approx([1 - 0.09 * step for step in range(11)])


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_binomial_counts_heads_of_a_coin_for_each_token(share):
    rule = curriculum(reset_depth="binomial")
    counts = Counter(start.prefix for start in starts_of(rule, 6000, share=share))
    expected = [6000 * binom.pmf(k, DEPTHS - 1, share) for k in range(DEPTHS)]
    assert chisquare([counts[k] for k in range(DEPTHS)], expected).pvalue > 0.01
    assert {start.prefix for start in starts_of(rule, 50, share=0.0)} == {0}
    assert rule.place(answers(1)[0], range(DEPTHS), 0.0, share) == 0, "of a draw of exactly 0"


class Naive:
    """AdaBack's bisection written out on prefix lengths, for one prompt."""

    def __init__(self):
        self.shortest, self.longest = 0.0, float(DEPTHS)

    def draw(self, uniform):
        return min(int(self.shortest + uniform * (self.longest - self.shortest)), DEPTHS - 1)

    def see(self, prefix, success):
        if success:
            self.shortest, self.longest = 0.0, float(prefix)
        else:
            self.shortest, self.longest = prefix + 1.0, float(DEPTHS)


def test_per_prompt_bisects_as_the_naive_rule_does():
    rule, naive = curriculum(reset_depth="per_prompt", reset_success=1.0), Naive()
    rng = random.Random(0)
    for step in range(200):
        uniform = float(draw(1, 0, step)[0, 2])
        [start] = starts_of(rule, step=step)
        assert start.prefix == naive.draw(uniform)
        scores = [rng.choice([0.5, 1.5]) for _ in range(3)]
        rule.learn([start] * 3, scores)
        naive.see(start.prefix, sum(scores) / 3 >= 1.0)


def test_each_prompt_comes_to_hover_about_the_prefix_that_it_needs():
    """One needs 4 tokens, one none: episodes succeed exactly from there on."""
    rule = curriculum(reset_depth="per_prompt", reset_success=1.0)
    needed, seen = {0: 4, 1: 0}, {0: [], 1: []}
    for step in range(400):
        starts = starts_of(rule, 2, step=step)
        rule.learn(starts, [float(s.prefix >= needed[s.pair.item]) for s in starts])
        for start in starts:
            seen[start.pair.item].append(start.prefix)
    assert sum(seen[0][100:]) / 300 == pytest.approx(3.5, abs=1.0)
    assert set(seen[1][10:]) == {0}


def test_only_prompts_that_failed_bare_are_reset():
    rule = curriculum(reset_prompts="failed", reset_success=1.0)
    assert not any(start.reset for start in starts_of(rule, 3)), "nobody has been seen to fail"
    rule.learn([Start(row, reset=False) for row in answers(2)], [0.0, 2.0])
    assert [start.reset for start in starts_of(rule, 3)] == [True, False, False]
    assert rule.failed_share() == 0.5
    rule.learn([Start(answers(1)[0], reset=False)], [1.0])
    assert not any(start.reset for start in starts_of(rule, 3))


def test_a_curriculum_comes_back_from_json():
    rule = curriculum(reset_depth="per_prompt", reset_prompts="failed")
    rule.learn([Start(row, reset=False) for row in answers(2)], [0.0, 2.0])
    rule.learn(starts_of(rule, 2), [0.0, 1.0])
    again = Curriculum.from_state(rule.config, json.loads(json.dumps(rule.state())))
    assert (again.intervals, again.bare) == (rule.intervals, rule.bare)
    assert again.intervals
    assert Curriculum.from_state(rule.config, {}).intervals == {}


def test_rules_that_remember_nothing_keep_nothing():
    rule = curriculum()
    rule.learn(starts_of(rule, 4), [1.0] * 4)
    assert rule.state() == {"intervals": {}, "bare": {}, "own": {}}


def test_per_prompt_needs_answers_that_stay():
    with pytest.raises(ConfigError, match="each answer is another"):
        curriculum(reset_depth="per_prompt", reset_source="rollin")
