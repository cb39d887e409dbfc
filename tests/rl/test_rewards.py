"""From scores to rewards."""

import math

import pytest
import torch

from drpo.errors import ShapeError
from drpo.rl.rewards import last_acted, penalise_unfinished, shape_rewards, whiten

ACTED = torch.tensor([[True, True, True], [True, False, False]])


def test_the_score_lands_on_the_last_chosen_token_and_kl_on_each():
    kl = torch.tensor([[0.1, 0.2, 0.3], [0.5, 9.0, 9.0]])
    rewards = shape_rewards(torch.tensor([2.0, -1.0]), kl, ACTED, 0.5)
    expected = torch.tensor([[-0.05, -0.1, 2 - 0.15], [-1 - 0.25, 0, 0]])
    torch.testing.assert_close(rewards, expected)


def test_nan_in_padding_stays_out_of_the_rewards():
    kl = torch.tensor([[0.1, 0.2, 0.3], [0.5, math.nan, math.nan]])
    assert torch.isfinite(shape_rewards(torch.zeros(2), kl, ACTED, 1.0)).all()


def test_the_last_chosen_token_is_found_after_a_masked_prefix():
    acted = torch.tensor([[False, True, True, False]])
    assert last_acted(acted).tolist() == [2]


def test_a_row_without_a_chosen_token_is_refused_by_number():
    with pytest.raises(ShapeError, match="Row 1"):
        last_acted(torch.tensor([[True], [False]]))


def test_only_unfinished_answers_are_penalised():
    scores, finished = torch.tensor([1.0, 2.0]), torch.tensor([True, False])
    assert penalise_unfinished(scores, finished, 1.5).tolist() == [1.0, 0.5]
    assert penalise_unfinished(scores, finished, -1.0, replace=True).tolist() == [1.0, -1.0]
    assert penalise_unfinished(scores, finished, None).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("mean", [-6.0, 0.0, 6.0])
def test_never_ending_never_pays_whatever_the_reward_model_averages(mean):
    """Replaced by -1, an answer of a reward model that averages -6 would gain 5 by not ending."""
    scores, finished = torch.full((2,), mean), torch.tensor([True, False])
    ended, cut = penalise_unfinished(scores, finished, 1.0).tolist()
    assert cut == ended - 1.0


def test_whitening_sees_chosen_tokens_only():
    values = torch.tensor([[1.0, 2.0, 3.0], [6.0, 100.0, math.nan]])
    white = whiten(values, ACTED, shift_mean=True)
    seen = white[ACTED]
    assert white[~ACTED].tolist() == [0.0, 0.0]
    assert abs(float(seen.mean())) < 1e-6
    assert float(seen.std()) == pytest.approx(1.0, abs=1e-5)


def test_whitening_without_shift_keeps_the_mean():
    values = torch.tensor([[1.0, 2.0, 3.0], [6.0, 0.0, 0.0]])
    seen = whiten(values, ACTED, shift_mean=False)[ACTED]
    assert float(seen.mean()) == pytest.approx(3.0, abs=1e-5)
    assert float(seen.std()) == pytest.approx(1.0, abs=1e-5)


def test_whitening_one_single_token_is_finite():
    white = whiten(torch.tensor([[5.0]]), torch.tensor([[True]]), shift_mean=True)
    assert torch.isfinite(white).all()
