"""What ranks tell one another: shares, sums, the first one's word, and why one leaves."""

import contextlib
import time

import pytest
import torch
from ranks import needs_fork, on_ranks
from torch import nn

from drpo.errors import DataError, RanksError, TrainingDivergedError
from drpo.modeling.interrupt import StopAskedError, stops_between_passes
from drpo.parallel.group import here
from drpo.parallel.ranks import ALONE

pytestmark = needs_fork


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_each_item_is_worked_on_once_and_all_know_what_came_of_it(size, count, tmp_path):
    def work(ranks):
        done = []

        def square(items):
            done.extend(items)
            return [item * item for item in items]

        return list(ranks.each(range(count), square)), done

    found = on_ranks(size, work, tmp_path)
    assert [results for results, _ in found] == [[n * n for n in range(count)]] * size
    assert sorted(n for _, done in found for n in done) == list(range(count))


def test_sums_are_over_all_ranks_and_equal_on_each(tmp_path):
    def work(ranks):
        first, second, third = (nn.Parameter(torch.zeros(2)) for _ in range(3))
        first.grad = torch.full((2,), float(ranks.rank))
        if ranks.rank == 1:
            second.grad = torch.ones(2)
        ranks.add_gradients([first, second, third])
        table = torch.full((2, 2), 10.0**ranks.rank)
        ranks.add(table)
        figures = ranks.add_figures({"both": 1.0} | ({"mine": 5.0} if ranks.rank == 2 else {}))
        told = ranks.first(lambda: {"of": ranks.rank})
        return first.grad.tolist(), second.grad.tolist(), third.grad, table.tolist(), figures, told

    for found in on_ranks(3, work, tmp_path):
        assert found == (
            [3.0, 3.0],
            [1.0, 1.0],
            None,
            [[111.0, 111.0]] * 2,
            {"both": 3.0, "mine": 5.0},
            {"of": 0},
        )


class OddError(Exception):
    """One that cannot travel: it wants two words and keeps one."""

    def __init__(self, one, other):
        super().__init__(f"{one} {other}")


@pytest.mark.parametrize(
    ("error", "heard"),
    [
        (DataError("Row 3 is empty."), "Row 3 is empty."),
        (TrainingDivergedError("It became NaN.", {"tensor": "loss"}), "It became NaN."),
        (OddError("odd", "words"), "Rank 1 failed: OddError: odd words"),
    ],
)
@pytest.mark.parametrize("where", ["share", "end"])
def test_what_one_rank_raises_all_raise(error, heard, where, tmp_path):
    def work(ranks):
        if ranks.rank == 1:
            raise error
        if where == "share":
            ranks.each([1, 2], lambda items: items)
        return "went on"

    found = on_ranks(3, work, tmp_path)
    assert type(found[1]) in (type(error), RanksError)
    assert {str(found[0]), str(found[2])} == {heard}
    if isinstance(error, TrainingDivergedError):
        assert [one.facts for one in found] == [{"tensor": "loss"}] * 3


def test_an_error_that_all_caught_is_not_told_again(tmp_path):
    def stop():
        raise StopAskedError

    def work(ranks):
        with contextlib.suppress(StopAskedError), ranks.together():
            ranks.first(stop)
        return ranks.add_figures({"caught": 1.0})

    assert on_ranks(2, work, tmp_path) == [{"caught": 2.0}] * 2


def test_where_the_first_is_asked_to_stop_between_passes_all_stop(tmp_path):
    def work(ranks):
        network = nn.Linear(1, 1)
        passes = 0
        began = time.monotonic()

        def asked():
            return ranks.rank == 0 and passes == 3

        try:
            with stops_between_passes([network], asked, ranks):
                while True:
                    passes += 1
                    network(torch.zeros(1))
                    if passes % 5 == 0:
                        ranks.add(torch.zeros(1))
        except StopAskedError:
            return passes, time.monotonic() - began < 20

    assert on_ranks(3, work, tmp_path) == [(3, True), (5, True), (5, True)]


def test_weights_that_are_not_alike_end_the_run(tmp_path):
    def work(ranks):
        assert ranks.alike("The names", "same") == "same"
        return ranks.alike("The policy's weights", "abc" if ranks.rank == 1 else "abd")

    for error in on_ranks(2, work, tmp_path):
        assert isinstance(error, RanksError)
        assert "The policy's weights of rank 1 differ from those of rank 0" in str(error)


def test_a_process_without_others_is_alone():
    assert here() is ALONE
    assert not torch.distributed.is_initialized()
