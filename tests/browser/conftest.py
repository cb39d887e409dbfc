"""A real server on a free port, a real Chromium, a workspace of its own."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from drpo.store import Store

ROOT = Path(__file__).parent.parent.parent
CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-proxy-server",
]
PATIENCE = 90_000
"""Milliseconds; a test machine may be busy with other things."""


@dataclass
class Server:
    """The dashboard as people run it."""

    url: str
    home: Path
    store: Store
    log: Path


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with serve(tmp_path_factory.mktemp("home")) as serving:
        yield serving


@contextmanager
def serve(home, *options, port=0):
    """Run the dashboard over a workspace, with options of Streamlit's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))
        port = probe.getsockname()[1]
    log = home / "server.log"
    environment = os.environ | {"DRPO_HOME": str(home), "OMP_NUM_THREADS": "1"}
    environment.pop("DRPO_DATABASE_URL", None)
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, *options], cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(f"{url}/_stcore/health"), "the server to answer")
        store = Store(f"sqlite:///{home / 'drpo.sqlite'}")
        yield Server(url, home, store, log)
        store.close()
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.status == 200
    except OSError:
        return False


def wait_until(holds, what, seconds=PATIENCE / 1000):
    """Wait for something to become true; returns what `holds` returned."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = holds()
        if found:
            return found
        time.sleep(0.1)
    pytest.fail(f"waited {seconds:.0f} s for {what}")


def launch(page, server, *, seconds):
    """Press Launch, and return the run once it has finished."""
    page.get_by_text("Time, about").wait_for()
    page.get_by_role("button", name="Launch", exact=True).click()
    page.get_by_role("heading", name="Live", level=1).wait_for()
    page.wait_for_url(re.compile("run="))
    run_id = re.search(r"run=([^&]+)", page.url)[1]
    run = wait_until(
        lambda: (found := server.store.runs.get(run_id)).status in ("finished", "failed") and found,
        "the run to end",
        seconds=seconds,
    )
    assert run.status == "finished", run.error
    return run


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


def new_window(browser, *, width=1440, height=1000, scheme="light", language="en"):
    """A window of its own: nothing in it is left from another."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        locale=language,
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE)
    return context


def visit(context, server, path):
    """Open a screen in a window."""
    page = context.new_page()
    page.failures = []
    page.on("pageerror", lambda error: page.failures.append(str(error)))
    # What our components catch, they say in the console and as a sentence in their place.
    page.on("console", lambda told: page.failures.extend(complaint(told)))
    page.foreign = []
    page.on(
        "request",
        lambda request: (
            page.foreign.append(request.url)
            if request.url.startswith("http") and not request.url.startswith(server.url)
            else None
        ),
    )
    page.goto(server.url + path)
    page.wait_for_selector("[data-testid='stApp'][data-test-connection-state='CONNECTED']")
    return page


def complaint(told):
    """What the console says went wrong, with the address it is about."""
    address = told.location.get("url", "")
    # On a deep link Streamlit asks for its own addresses beside the screen first, then at the root.
    if told.type != "error" or ("404" in told.text and "/_stcore/" in address):
        return []
    return [f"{told.text} ({address})"]


@pytest.fixture
def open_page(browser, server):
    """Open a screen in a window of its own; `open_page("/live?run=x", width=390)`."""
    contexts = []

    def _open(path="/", **dress):
        contexts.append(new_window(browser, **dress))
        page = visit(contexts[-1], server, path)
        page.get_by_role("heading", level=1).first.wait_for()
        return page

    yield _open
    kept = os.environ.get("DRPO_KEEP_WINDOWS")
    for number, context in enumerate(contexts):
        if kept:
            # For finding out why a test failed: what the window showed at its end.
            context.pages[0].screenshot(path=f"{kept}/window-{number}.png")
        context.close()
