"""Every screen in every dress: readable for all, nothing cut off, in the visitor's language.

With `DRPO_SCREENS=docs/screens` the pictures in that folder are taken anew.
"""

import gzip
import json
import os
import subprocess
import threading
from dataclasses import asdict
from pathlib import Path

import gallery
import pytest

from browser.conftest import new_window, serve, visit
from browser.looking import (
    barriers,
    cut_texts,
    english_left,
    keep_picture,
    too_wide,
    wait_until_drawn,
    wait_until_said,
    wear,
)
from drpo.i18n import t
from drpo.runs import demo
from drpo.store import Store
from drpo.system import processes

pytestmark = pytest.mark.browser

SCREENS = {
    "home": "/",
    "data": "/data?upload={upload}",
    "data-empty": "/data",
    "launch": "/launch?start=sample-tldr",
    "live": "/live?run={run}",
    "live-running": "/live?run={live}",
    "live-alarms": "/live?run={hacked}",
    "live-pair": "/live?run={run}&beside={hacked}",
    "live-metrics": "/live?run={run}&view=all",
    "live-broken": "/live?run={broken}&view=config",
    "resets": "/resets?run={run}",
    "sweep": "/sweep?sweep={sweep}",
    "compare": "/compare?runs={run},{hacked}",
    "playground": "/playground?models={run}@-1",
    "review": "/review?review={review}&reviewer=Dora",
    "review-result": "/review?review={judged}&view=result",
    "review-new": "/review?view=new",
    "overview": "/overview?run={run}",
    "presentation": "/overview?run={run}&present=1",
    "pilot": "/pilot",
    "pilot-data": "/pilot?pilot={pilot_begun}&step=1",
    "pilot-plan": "/pilot?pilot={pilot_begun}&step=2",
    "pilot-verdict": "/pilot?pilot={pilot}&step=3",
    "pilot-decision": "/pilot?pilot={pilot}&step=4",
    "report": "/report?run={run}",
}
BELOW = {"live-metrics", "live-broken"}
"""Screens of which the part that is named stands below what a picture holds."""
WINDOWS = {"desk": (1440, 1900), "phone": (390, 2300)}
"""Tall enough that what is below repeats itself."""
STAGE = {"desk": (1440, 900), "phone": (390, 844)}
"""A presentation fills the window, so its window is one that people have."""


@pytest.fixture(scope="module")
def house(tmp_path_factory, browser):
    """A server over a furnished workspace, and where each screen is."""
    home = tmp_path_factory.mktemp("gallery")
    store = Store(f"sqlite:///{home / 'drpo.sqlite'}")
    made = gallery.furnish(store)
    with serve(home) as server, living(store, made.live):
        places = {**asdict(made), "upload": uploaded(browser, server)}
        yield server, places, written(store)
    store.close()


class living:  # noqa: N801 - used as `with living(...)`
    """Something that stands for a live run's worker: a process, and a heart that beats."""

    def __init__(self, store, run_id):
        self.store, self.run_id = store, run_id
        self.told = threading.Event()
        self.heart = threading.Thread(target=self.beat, daemon=True)

    def __enter__(self):
        self.process = subprocess.Popen(["sleep", "3600"])
        started = processes.start_time(self.process.pid)
        self.store.runs.change(self.run_id, pid=self.process.pid, pid_started=started)
        self.heart.start()

    def beat(self):
        while not self.told.wait(2):
            self.store.runs.heartbeat(self.run_id)

    def __exit__(self, *_):
        self.told.set()
        self.heart.join()
        self.process.kill()
        self.process.wait()


def uploaded(browser, server):
    """Bring a file with a few faults, and return the upload's place in the address."""
    with gzip.open(demo.SAMPLES / "files" / "tldr.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(next(lines)) for _ in range(300)]
    kept = ("prompt", "chosen", "rejected")
    short = [{name: row[name] for name in kept} for row in rows]
    faults = [*short[:7], {**short[8], "rejected": short[8]["chosen"]}]
    content = "".join(json.dumps(row) + "\n" for row in (*short, *faults)).encode()
    context = new_window(browser)
    page = visit(context, server, "/data")
    page.locator("input[type=file]").set_input_files(
        {"name": "posts.jsonl", "mimeType": "", "buffer": content}
    )
    page.locator(".st-key-save_go").wait_for()
    found = page.evaluate("new URL(location.href).searchParams.get('upload')")
    context.close()
    return found


def written(store):
    """What people and policies wrote: names, prompts, answers. It stays in its language."""
    found = {"posts.jsonl"}
    for run in store.runs.all(limit=500):
        found |= {run.name, run.id}
        for kind in ("heldout", "episode"):
            for step in store.samples.steps(run.id, kind):
                for row in store.samples.at(run.id, step, kind):
                    found |= {row.prompt.strip(), row.response, row.prefix, row.offline}
    # The longest first: a name may be part of a prompt.
    return sorted(found - {""}, key=len, reverse=True)


@pytest.fixture(scope="module", params=["en", "ja"])
def window(request, browser):
    """One window for all screens in a language: what the browser has loaded once it keeps."""
    context = new_window(browser, language=request.param, height=1400)
    yield request.param, context
    context.close()


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_can_be_read_by_everyone_in_every_dress(house, window, name):
    server, places, data = house
    language, context = window
    page = visit(context, server, SCREENS[name].format(**places))
    windows = STAGE if name == "presentation" else WINDOWS
    found = {}
    try:
        wait_until_said(page)
        if name == "playground":
            write_something(page, language)
        wear(page, "light", *windows["desk"])
        page.wait_for_function("lang => document.documentElement.lang == lang", arg=language)
        if language == "ja":
            found["english"] = english_left(page, data)
        else:
            found["barriers"] = barriers(page)
        found["cut"] = cut_texts(page)
        found["too wide"] = too_wide(page)
        keep(page, name, language, "light")
        wear(page, "light", *windows["phone"])
        found["cut on a phone"] = cut_texts(page)
        found["too wide on a phone"] = too_wide(page)
        keep(page, name, language, "light")
        if language == "en":
            if os.environ.get("DRPO_SCREENS"):
                wear(page, "dark", *windows["phone"])
                keep(page, name, language, "dark")
            wear(page, "dark", *windows["desk"])
            found["barriers in the dark"] = barriers(page)
            keep(page, name, language, "dark")
        found["failed"] = page.get_by_text(t("frame.bug_title", lang=language)).count()
        found |= {"failures": page.failures, "foreign": page.foreign}
    finally:
        page.close()
    assert {what: seen for what, seen in found.items() if seen} == {}


def write_something(page, language):
    """Let the start policy answer: without an answer the playground shows little of itself."""
    page.get_by_role("button", name=t("playground.write", lang=language)).click()
    page.locator(".tokens .note:not(:empty)").first.wait_for()


def keep(page, name, language, scheme):
    """Keep a picture where `DRPO_SCREENS` says."""
    folder = os.environ.get("DRPO_SCREENS")
    if folder:
        if name in BELOW:
            page.locator(".st-key-view").evaluate("node => node.scrollIntoView()")
            wait_until_drawn(page)
        width = page.viewport_size["width"]
        worn = "ja" if language == "ja" else scheme
        keep_picture(page, Path(folder) / f"{name}-{width}-{worn}.webp")
