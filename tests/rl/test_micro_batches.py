"""Episodes as rectangles: every token in its place, and hardly any padding."""

import torch

from drpo.rl.micro_batches import by_length, micro_batch, padding_share
from drpo.rl.rollout import pack
from drpo.rl.sampling import Sampling

SAMPLING = Sampling(length=4, temperature=1.0, stops=(1,), pad=0, batch_size=2)


def test_rows_begin_in_the_first_column_and_lose_their_last_token():
    contexts, written = [[40, 41, 42], [43], [44, 45]], [[50, 51, 52, 1], [53], [54, 1]]
    part = micro_batch(pack(contexts, written, SAMPLING), [2, 1, 0])
    rows = [[44, 45, 54], [43], [40, 41, 42, 50, 51, 52]]
    assert part.tokens.shape == (3, 6)
    assert [row[: len(ids)] for row, ids in zip(part.tokens.tolist(), rows, strict=True)] == rows
    assert part.actions.tolist() == [54, 1, 53, 50, 51, 52, 1]
    # 45 and 54; 43; 42, 50, 51, 52
    assert part.tokens.flatten()[part.at].tolist() == [45, 54, 43, 42, 50, 51, 52]
    assert part.acted.tolist() == [[True, True, False, False], [True] + [False] * 3, [True] * 4]


def test_values_are_laid_out_by_row():
    part = micro_batch(pack([[40], [41, 42]], [[50], [51, 52]], SAMPLING), [0, 1])
    assert part.by_row(torch.tensor([1.0, 2.0, 3.0])).tolist() == [[1.0, 0.0], [2.0, 3.0]]


def test_resets_of_any_depth_fill_a_rectangle_when_their_lengths_are_alike():
    contexts, written = [[9] * n for n in (1, 5, 9)], [[50] * n for n in (9, 5, 1)]
    rollout = pack(contexts, written, SAMPLING)
    assert by_length(rollout, 8) == [[0, 1, 2]]
    assert padding_share(rollout, by_length(rollout, 8)) == 0.0
    assert micro_batch(rollout, [0, 1, 2]).tokens.shape == (3, 9)


def test_padding_is_what_a_rectangle_holds_beside_its_rows():
    rollout = pack([[9], [9] * 4], [[50], [50]], SAMPLING)
    assert padding_share(rollout, [[0, 1]]) == 3 / 8  # one token and four, in two rows of four
    assert padding_share(rollout, [[0], [1]]) == padding_share(rollout, []) == 0.0
