"""The laboratory as an analyst uses it: AdaBack on parity, branches of a token, one kept and used.

With DRPO_TORTURE the run is as long as it takes for prompts to need less; the short form sees that
everything works.
"""

import os
import re
from pathlib import Path

import pytest

from browser.conftest import launch
from browser.looking import keep_picture, wear
from drpo import metrics
from drpo.runs import demo

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not demo.TASKS["parity"].is_here("parity"),
        reason="needs the sample material; `make sample` makes it",
    ),
]
WHOLE = bool(os.environ.get("DRPO_TORTURE"))
UPDATES = 200 if WHOLE else 4


def pictures(page, name, at=None):
    """Keep the screen in light, dark and phone width, at a place, where pictures are asked for."""
    if os.environ.get("DRPO_SCREENS"):
        folder = Path(os.environ["DRPO_SCREENS"])
        dresses = [("light", 1440, "light"), ("dark", 1440, "dark"), ("light", 390, "phone")]
        for scheme, width, dress in dresses:
            wear(page, scheme, width, 1600)
            if at is not None:
                at.scroll_into_view_if_needed()
            keep_picture(page, folder / f"{name}-{dress}.webp")
        wear(page, "light", 1440, 1600)


def picture_in_japanese(page, name, at=None):
    """Keep it in Japanese, at a place, and go back."""
    if os.environ.get("DRPO_SCREENS"):
        for language, label in (("ja", "日本語"), ("en", "English")):
            page.get_by_role("radio", name=label).click()
            page.wait_for_function("lang => document.documentElement.lang == lang", arg=language)
            wear(page, "light", 1440, 1600)
            if language == "ja":
                if at is not None:
                    at.scroll_into_view_if_needed()
                keep_picture(page, Path(os.environ["DRPO_SCREENS"]) / f"{name}-ja.webp")


def test_adaback_on_parity_a_branch_kept_and_a_run_from_it(server, open_page):
    page = open_page(f"/launch?start=sample-parity&updates={UPDATES}&eval_prompts=16", height=1600)
    way = page.get_by_role("combobox", name="Way to reset")
    way.click()
    page.get_by_role("option", name=re.compile("AdaBack")).click()
    page.get_by_text(re.compile("AdaBack")).first.wait_for()
    page.wait_for_url(re.compile("reset_depth=per_prompt"))
    run = launch(page, server, seconds=1500 if WHOLE else 300)
    assert run.config["reset"]["reset_depth"] == "per_prompt"
    needed = server.store.metrics.since(run.id, names=[metrics.RESET_NEEDED_SHARE])[
        "value"
    ].tolist()
    assert len(needed) == UPDATES
    if WHOLE:
        assert needed[-1] < 0.5 * max(needed)

    page.goto(f"{server.url}/resets?run={run.id}")
    page.get_by_text("Depth by prompt over training").wait_for()
    page.locator(".st-key-prompt_depths .js-plotly-plot").wait_for()
    pictures(page, "laboratory-depths")
    picture_in_japanese(page, "laboratory-depths")

    page.get_by_text("What if it had gone on differently?").click()
    page.get_by_role("button", name="Show its tokens").click()
    page.get_by_role("spinbutton", name=re.compile("Go on after so many tokens")).wait_for()
    page.locator("button.token").nth(2).click()
    page.wait_for_url(re.compile("branch_at="))
    page.get_by_role("button", name="Go on from here").click()
    page.get_by_role("combobox", name=re.compile("Continuation to keep")).wait_for()
    keep = page.locator(".st-key-branch_keep")
    pictures(page, "laboratory-branches", at=keep)
    picture_in_japanese(page, "laboratory-branches", at=keep)

    name = page.get_by_role("combobox", name=re.compile("Set of demonstrations"))
    name.click()
    name.fill("my branches")
    name.press("Enter")
    page.get_by_role("button", name="Train from here").click()
    page.get_by_text(re.compile("Kept in my branches, version 1")).wait_for()

    asked = "demonstrations=my+branches:1&reset_source=demonstrations&updates=1&eval_prompts=8"
    page.goto(f"{server.url}/launch?start=sample-parity&{asked}")
    again = launch(page, server, seconds=300)
    assert again.config["data"]["demonstrations"] == "my branches:1"
    resets = [one for one in server.store.samples.at(again.id, 1, "episode") if one.prefix]
    assert resets
    assert page.failures == []
    assert page.foreign == []
