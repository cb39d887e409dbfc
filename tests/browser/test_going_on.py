"""What ended and is let go on by a click is followed again, without a reload."""

import pytest
import screen_material

from browser.looking import wait_until_drawn
from drpo.config.run_config import RunConfig
from drpo.sweep import Axis, SweepPlan, create

pytestmark = pytest.mark.browser


def test_a_resumed_run_is_followed_to_its_end(open_page, server):
    run = screen_material.add_run(server.store, "stopped", updates=10, upto=5, status="stopped")
    page = open_page(f"/live?run={run.id}")
    # A click into a page that is still being drawn would run all of it, not the fragment alone.
    wait_until_drawn(page)
    page.get_by_role("button", name="Resume", exact=True).click()
    # The server's own supervisor takes it off the queue; its data set is not here, so it fails.
    page.get_by_role("alert").filter(has_text="sample-tldr").wait_for()


def test_a_sweep_that_goes_on_is_followed_to_its_end(open_page, server):
    base = RunConfig.of(data="gone.jsonl", policy="model", updates=5)
    axes = (Axis(name="reset_prob", values=(0.5,)),)
    plan = SweepPlan.of(base, axes=axes, seeds=(0,), budget_runs=0)
    sweep_id = create(server.store, plan, "spent")
    server.store.sweeps.change(sweep_id, status="stopped")
    page = open_page(f"/sweep?sweep={sweep_id}")
    wait_until_drawn(page)
    page.get_by_role("button", name="Go on").click()
    # There is no run left to queue, so the supervisor finishes it.
    page.get_by_text("finished:").wait_for()
