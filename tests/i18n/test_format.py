"""Numbers, spans of time and amounts of memory as people read them."""

import math

import pytest

from drpo.i18n import format


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (5.861, "5.86"),
        (0.0512, "0.051"),
        (-1.5, "−1.50"),
        (27.34, "27.3"),
        (1234567, "1\u202f234\u202f567"),
        (None, "–"),
        (math.nan, "–"),
        (2e-4, "2.0e−4"),
        (0.2, "0.20"),
        (math.inf, "∞"),
    ],
)
def test_numbers_keep_two_decimals_that_matter(value, text):
    assert format.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.84, "0.8\u202fs"),
        (65, "1\u202fmin 5\u202fs"),
        (3720, "1\u202fh 2\u202fmin"),
        (42, "42\u202fs"),
        (None, "–"),
    ],
)
def test_durations_use_their_two_largest_units(seconds, text):
    assert format.duration(seconds) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [(999, "999\u202fB"), (999.6, "1\u202fkB"), (999_600, "1\u202fMB"), (1.5e9, "1.5\u202fGB")],
)
def test_amounts_of_memory_have_three_digits_at_most(amount, text):
    assert format.size(amount) == text
