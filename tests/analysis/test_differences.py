"""Only what sets runs apart is listed."""

import screen_material

from drpo.analysis.differences import settings_that_differ
from drpo.analysis.metric_series import Feed


def test_only_settings_that_differ_are_listed(store):
    runs = [
        screen_material.add_run(store, "weak", updates=2, kl_coef=0.02),
        screen_material.add_run(store, "right", updates=2, kl_coef=0.2),
    ]
    feeds = [Feed(store, run.id).refresh() for run in runs]
    assert list(settings_that_differ(runs, feeds).index) == ["kl_coef"]
    assert settings_that_differ(runs[:1], feeds[:1]).empty
    told = {"name": "kl_coef", "old": 0.2, "new": 0.9, "live": True}
    store.events.add(runs[1].id, 1, "setting", "kl_coef 0.2 -> 0.9", told, "ann")
    feeds = [Feed(store, run.id).refresh() for run in runs]
    differing = settings_that_differ(runs, feeds)
    assert list(differing.loc["changed in mid-run"]) == ["–", "kl_coef 0.20 → 0.90 at update 1"]
