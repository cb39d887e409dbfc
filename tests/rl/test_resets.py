"""Where episodes start."""

from collections import Counter
from dataclasses import replace

import pytest
from scipy.stats import chisquare

from drpo.errors import DataError
from drpo.modeling.tokenization import TokenizedPair
from drpo.rl.resets import ROOM, batch_rows, by_item, draw, keep_best, place_starts

LENGTH = 6
"""Tokens of the offline answers below, end token included."""


def trajectories(count: int, length: int = LENGTH) -> list[TokenizedPair]:
    return [
        TokenizedPair(i, "chosen", (10, 11), tuple(range(100, 100 + length))) for i in range(count)
    ]


def starts_of(count, step=0, *, reset_prob=1.0, min_prefix=0, length=LENGTH, seed=0):
    rows = trajectories(count, length)
    prompts = [TokenizedPair(t.item, "prompt", t.prompt) for t in rows]
    return place_starts(
        prompts,
        by_item(rows),
        draw(count, seed, step),
        reset_prob=reset_prob,
        min_prefix=min_prefix,
    )


@pytest.mark.parametrize("min_prefix", [0, 1])
def test_prefix_length_is_uniform_up_to_the_last_token_before_the_end(min_prefix):
    counts = Counter(start.prefix for start in starts_of(6000, min_prefix=min_prefix))
    depths = range(min_prefix, LENGTH)  # L - 1 is the last: every token given but the end
    assert sorted(counts) == list(depths)
    assert chisquare([counts[k] for k in depths]).pvalue > 0.01


@pytest.mark.parametrize("min_prefix", [0, 1])
def test_a_prefix_never_holds_the_end_token(min_prefix):
    end = 100 + LENGTH - 1
    assert all(end not in start.context for start in starts_of(2000, min_prefix=min_prefix))


def test_the_context_is_the_prompt_and_the_answer_up_to_the_prefix():
    for start in starts_of(50):
        assert start.context == (10, 11, *range(100, 100 + start.prefix))


def test_an_answer_shorter_than_two_tokens_starts_at_the_prompt():
    for start in starts_of(20, length=1):
        assert (start.reset, start.prefix, start.context) == (False, 0, (10, 11))


def test_a_reset_into_a_cut_answer_leaves_room_to_end():
    """Without its end, an answer reset into near the cut could only be cut again."""
    cut = [replace(pair, cut=True) for pair in trajectories(4000, 12)]
    prompts = [TokenizedPair(t.item, "prompt", t.prompt) for t in cut]
    starts = place_starts(prompts, by_item(cut), draw(4000, 0, 0), reset_prob=1.0, min_prefix=0)
    assert {start.prefix for start in starts} == set(range(12 - ROOM))
    short = [replace(pair, answer=pair.answer[:3]) for pair in cut]
    starts = place_starts(prompts, by_item(short), draw(4000, 0, 0), reset_prob=1.0, min_prefix=0)
    assert {start.prefix for start in starts} == {0, 1}


def test_probability_zero_resets_none_and_one_resets_all():
    assert not any(start.reset for start in starts_of(5000, reset_prob=0.0))
    assert all(start.reset for start in starts_of(5000, reset_prob=1.0))


def test_the_share_of_resets_is_the_probability():
    share = sum(start.reset for start in starts_of(10_000, reset_prob=0.3)) / 10_000
    assert abs(share - 0.3) < 4 * (0.3 * 0.7 / 10_000) ** 0.5


def test_starts_depend_on_seed_and_update_alone():
    again = starts_of(64, step=3, reset_prob=0.5)
    assert starts_of(64, step=3, reset_prob=0.5) == again
    assert starts_of(64, step=4, reset_prob=0.5) != again
    assert starts_of(64, step=3, reset_prob=0.5, seed=1) != again


def test_turning_the_probability_moves_no_other_draw():
    few, many = starts_of(500, reset_prob=0.2), starts_of(500, reset_prob=0.6)
    for a, b in zip(few, many, strict=True):
        if a.reset:
            assert b == a


def test_both_answers_of_a_row_are_drawn_alike():
    rows = [
        TokenizedPair(i, kind, (1,), (5, 6, 7))
        for i in range(2000)
        for kind in ("chosen", "rejected")
    ]
    prompts = [TokenizedPair(i, "prompt", (1,)) for i in range(2000)]
    starts = place_starts(prompts, by_item(rows), draw(2000, 0, 0), reset_prob=1.0, min_prefix=0)
    counts = Counter(start.pair.origin for start in starts)
    assert chisquare([counts["chosen"], counts["rejected"]]).pvalue > 0.01


def test_rows_without_an_answer_of_their_own_draw_from_the_pool():
    prompts = [TokenizedPair(i, "prompt", (1,)) for i in range(300)]
    pool = [TokenizedPair(i, "demonstration", (2, 3), (5, 6, 7)) for i in range(3)]
    starts = place_starts(prompts, {}, draw(300, 0, 0), reset_prob=1.0, min_prefix=0, pool=pool)
    assert {start.pair.item for start in starts} == {0, 1, 2}
    assert all(start.context[:2] == (2, 3) for start in starts)


def test_without_anything_to_reset_into_episodes_start_at_the_prompt():
    prompts = [TokenizedPair(i, "prompt", (1,)) for i in range(5)]
    starts = place_starts(prompts, {}, draw(5, 0, 0), reset_prob=1.0, min_prefix=0)
    assert not any(start.reset for start in starts)


def test_each_pass_over_the_data_takes_every_row_once_in_a_new_order():
    drawn = [row for step in range(14) for row in batch_rows(7, 3, 0, step)]
    laps = [drawn[i : i + 7] for i in range(0, 42, 7)]
    assert all(sorted(lap) == list(range(7)) for lap in laps)
    assert len({tuple(lap) for lap in laps}) > 1


def test_an_update_may_be_larger_than_the_data():
    assert Counter(batch_rows(3, 9, 0, 0)) == {0: 3, 1: 3, 2: 3}


def test_no_rows_is_said_in_a_sentence():
    with pytest.raises(DataError, match="at least one"):
        batch_rows(0, 4, 0, 0)


def test_a_filter_keeps_the_best_share_in_the_data_s_order():
    rows = trajectories(5)
    kept = keep_best(rows, [0.1, 0.9, 0.5, 0.7, 0.3], 0.6)
    assert [t.item for t in kept] == [1, 2, 3]


def test_a_filter_keeps_at_least_one_answer():
    assert [t.item for t in keep_best(trajectories(3), [1.0, 3.0, 2.0], 0.01)] == [1]
