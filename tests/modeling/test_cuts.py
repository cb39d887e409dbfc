"""Cutting rows into rectangles, against every way there is to cut them."""

import itertools

import torch

from drpo.modeling.cuts import CALL, cut_by_length


def cost(lengths, rectangles):
    call = CALL["cpu"]
    return sum(len(rows) * max(lengths[row] for row in rows) + call for rows in rectangles)


def cheapest(lengths, size):
    """The least cost of all cuts of the sorted rows, each tried."""
    order = sorted(range(len(lengths)), key=lambda row: lengths[row])
    costs = []
    for cuts in itertools.product([False, True], repeat=len(order) - 1):
        edges = [0, *(at + 1 for at, cut in enumerate(cuts) if cut), len(order)]
        rectangles = [order[begin:end] for begin, end in itertools.pairwise(edges)]
        if max(map(len, rectangles)) <= size:
            costs.append(cost(lengths, rectangles))
    return min(costs)


def test_no_other_cut_costs_less(generator):
    for size in (1, 3, 10):
        lengths = torch.randint(1, 200, (10,), generator=generator).tolist()
        found = cut_by_length(lengths, size)
        assert sorted(row for rows in found for row in rows) == list(range(10))
        assert max(map(len, found)) <= size
        assert cost(lengths, found) == cheapest(lengths, size)


def test_rows_of_one_length_fill_whole_rectangles():
    assert cut_by_length([7] * 6, 4) in ([[0, 1], [2, 3, 4, 5]], [[0, 1, 2, 3], [4, 5]])


def test_a_rectangle_is_split_where_padding_costs_more_than_another_call():
    for device, call in CALL.items():
        assert cut_by_length([1, 1, 2 * call], 8, device=device) == [[0, 1], [2]]
        assert cut_by_length([1, 1, call // 3], 8, device=device) == [[0, 1, 2]]


def test_a_gpu_is_given_few_full_rectangles(generator):
    lengths = torch.randint(245, 374, (64,), generator=generator).tolist()
    assert [len(rows) for rows in cut_by_length(lengths, 32, device="cuda")] == [32, 32]
    assert len(cut_by_length(lengths, 32)) > 2


def test_only_the_rows_asked_for_are_cut():
    assert cut_by_length([5, 4, 3, 2], 8, [3, 0]) == [[3, 0]]
    assert cut_by_length([5], 8, []) == []


def test_no_rectangle_is_larger_than_asked_but_one_of_a_single_long_row():
    lengths = [5, 5, 5, 90, 7, 40, 41]
    cuts = cut_by_length(lengths, 8, tokens=80)
    assert sorted(row for rows in cuts for row in rows) == list(range(7))
    areas = [len(rows) * max(lengths[row] for row in rows) for rows in cuts]
    assert all(area <= 80 or len(rows) == 1 for area, rows in zip(areas, cuts, strict=True))
