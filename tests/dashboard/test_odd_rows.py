"""One odd row in the store takes no screen down."""

import pytest
import screen_material
from screens import problems, visit

ODD = [
    ("alarm", {}),
    ("alarm", {"name": "kl_budget"}),
    ("alarm", {"name": "of_tomorrow", "first_step": 1, "last_step": 1, "count": 1, "values": {}}),
    ("alarm", {"name": None, "values": [1], "evidence": 3, "choices": "x"}),
    ("decision", {}),
    ("decision", {"alarm_event": "no number"}),
    ("setting", {}),
    ("stage", {"stage": "sft", "figures": None}),
    ("note", {"how": "damaged_checkpoint"}),
    ("of_tomorrow", {"how": ["what"]}),
]


@pytest.mark.parametrize("screen", ["home", "live", "overview", "report", "compare", "resets"])
def test_a_screen_shows_the_rest(store, screen):
    run = screen_material.add_run(store, "odd", upto=8)
    for kind, payload in ODD:
        store.events.add(run.id, 4, kind, "As it was written.", payload, "somebody")
    store.runs.change(run.id, summary=run.summary | {"of_tomorrow": {"a": [None]}})
    assert problems(visit(screen, run=run.id)) == []
