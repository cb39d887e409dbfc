"""Screens of tests look again at once: what was written a moment ago is meant to be there."""

import pytest

from drpo.analysis import metric_series


@pytest.fixture(autouse=True)
def _always_fresh(monkeypatch):
    monkeypatch.setattr(metric_series, "FRESH_SECONDS", 0.0)
