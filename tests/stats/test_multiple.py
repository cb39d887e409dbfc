"""Holm's correction by hand."""

import pytest

from drpo.stats.multiple import holm


def test_holm_by_hand():
    # Sorted .01, .02, .04 times 3, 2, 1: .03, .04, .04; unknown ones do not count.
    assert holm([0.04, None, 0.01, 0.02]) == pytest.approx([0.04, None, 0.03, 0.04])


def test_a_corrected_value_is_never_below_a_smaller_ones_and_never_above_one():
    assert holm([0.3, 0.31, 0.9]) == pytest.approx([0.9, 0.9, 0.9])
    assert holm([]) == []
