"""The executive's screens in a real browser: verdict, replay, pilot, and a report that travels."""

import gzip
import itertools
import json
import re
import time

import pytest
import screen_material
from executive_material import add_run
from runs import wait_until

from drpo.pilot import design
from drpo.report import build
from drpo.runs import demo

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def run(server):
    """A finished run with curves, answers, episodes and a changed setting."""
    return screen_material.add_run(server.store, "for the board", updates=20)


@pytest.fixture(scope="module")
def tried(server):
    """A pilot whose six runs have finished."""
    settings = {
        "data": "pairs",
        "policy": "start",
        "reward_model": "reward",
        "updates": 10,
        "kl_coef": 0.1,
        "learning_rate": 1e-4,
        "episodes_per_update": 64,
    }
    one = design.create(server.store, "tried", settings)
    for seed, gap in enumerate((1.0, 1.2, 0.8)):
        for arm, gain in (("resets", seed + gap), ("plain", float(seed))):
            add_run(
                server.store,
                f"{arm} {seed}",
                gold=[gain],
                scores=[gain],
                story=one.story,
                seed=seed,
                reset_prob=0.5 if arm == "resets" else 0.0,
            )
    return one


def test_the_verdict_is_said_in_both_languages_with_its_interval(server, open_page):
    judged = add_run(server.store, "judged", gold=[1.0, 1.0, 1.0, -1.0], scores=[1.0])
    page = open_page(f"/overview?run={judged.id}")
    page.get_by_text("Preferred to the start policy in").first.wait_for()
    said = page.locator(".drpo-hero").inner_text()
    assert "of 40 comparisons" in said
    assert "開始時の方策との比較 40 件のうち" in said
    assert page.locator(".drpo-hero [lang=ja]").count() == 1
    assert page.failures == []


def test_a_replay_says_that_it_is_one_and_asks_the_server_for_nothing(open_page, run):
    page = open_page(f"/overview?run={run.id}")
    page.get_by_text("REPLAY", exact=True).wait_for()
    clock = page.locator(".replay .clock")
    assert clock.inner_text().startswith("update 20 of 20")
    page.wait_for_selector("[data-test-script-state='notRunning']")
    # The library of the charts is fetched ahead once a visitor has stayed for a while.
    page.wait_for_function("() => window.Plotly")
    time.sleep(1)
    heard = []
    watcher = page.context.new_cdp_session(page)
    watcher.send("Network.enable")
    for event in ("webSocketFrameReceived", "webSocketFrameSent", "requestWillBeSent"):
        watcher.on(f"Network.{event}", lambda _event, event=event: heard.append(event))
    page.get_by_role("button", name="Replay", exact=False).click()
    page.wait_for_function(
        "() => [...document.querySelectorAll('*')].some(e => e.shadowRoot?.querySelector('.clock')"
        "?.textContent.match(/^update [1-9]\\d? of 20/) && "
        "!e.shadowRoot.querySelector('.clock').textContent.startsWith('update 20'))"
    )
    assert page.locator(".replay .verdict.hidden").count() == 1
    page.get_by_role("button", name="Pause").click()
    assert heard == []


def test_the_replay_shows_what_was_written_at_that_time(open_page, run):
    page = open_page(f"/overview?run={run.id}")
    scrub = page.get_by_role("slider", name="Place in the run")
    scrub.evaluate("node => { node.value = 0; node.dispatchEvent(new Event('input')) }")
    page.locator(".replay .answer.now", has_text=screen_material.ANSWERS[0].strip()).wait_for()
    scrub.evaluate("node => { node.value = 20; node.dispatchEvent(new Event('input')) }")
    page.locator(".replay .answer.now", has_text=screen_material.ANSWERS[2].strip()).wait_for()
    page.locator(".replay .answer.before", has_text=screen_material.ANSWERS[0].strip()).wait_for()


def test_marks_at_one_step_stand_one_below_the_other_in_the_replay(server, open_page):
    marked = add_run(server.store, "marked", gold=[1.0, 0.5], scores=[1.0, 0.5])
    for value in (0.1, 0.3, 0.5, 0.7, 0.9):
        told = {"name": "kl_coef", "old": 0.2, "new": value}
        server.store.events.add(marked.id, 10, "setting", f"kl_coef {value}", told, "ann")
    page = open_page(f"/overview?run={marked.id}")
    labels = page.locator(".replay text", has_text="kl_coef")
    labels.first.wait_for()
    assert labels.count() == 4  # there is no room for more
    boxes = sorted((label.bounding_box() for label in labels.all()), key=lambda box: box["y"])
    assert all(upper["y"] < lower["y"] for upper, lower in itertools.pairwise(boxes))


def test_a_presentation_shows_nothing_else_and_has_a_link(open_page, run):
    page = open_page(f"/overview?run={run.id}")
    page.get_by_role("button", name="Present").click()
    page.wait_for_url("**present=1**")
    page.get_by_role("button", name="Leave the presentation").wait_for()
    assert not page.get_by_test_id("stSidebar").is_visible()
    page.get_by_role("button", name="Full screen").click()
    page.wait_for_function("() => document.fullscreenElement !== null")
    page.evaluate("document.exitFullscreen()")
    page.get_by_role("button", name="Leave the presentation").click()
    page.locator(".drpo-hero").wait_for()
    assert "present" not in page.url


def test_the_lock_is_learned_with_resets_and_not_without(open_page, run):
    page = open_page(f"/overview?run={run.id}")
    page.get_by_text("Why resets work").click()
    page.locator(".lock .with .opens", has_text="100").wait_for()
    assert "< 1" in page.locator(".lock .without .opens").inner_text()
    scrub = page.get_by_role("slider", name="Place in the learning")
    scrub.evaluate("node => { node.value = 0; node.dispatchEvent(new Event('input')) }")
    assert "< 1" in page.locator(".lock .with .opens").inner_text()


def test_a_report_saved_on_the_screen_opens_from_disk_without_a_network(
    server, browser, open_page, run, tmp_path
):
    page = open_page(f"/report?run={run.id}")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save drpo-").click()
    saved = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(saved)
    assert saved.read_bytes() == build(server.store, [run.id])
    assert saved.stat().st_size < 6_000_000
    assert_opens_offline(browser, saved)


def assert_opens_offline(browser, path):
    context = browser.new_context(offline=True)
    try:
        page = context.new_page()
        failures, asked = [], []
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.locator("#figure-1 .main-svg").first.wait_for()
        assert page.locator(".plot").count() == page.locator(".plot .main-svg:first-child").count()
        assert "Preferred to the start policy in" in page.inner_text("main")
        assert failures == []
        assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    finally:
        context.close()


@pytest.mark.slow
def test_one_click_on_the_demo_leads_to_a_report_on_disk(server, browser, open_page, tmp_path):
    page = open_page("/")
    page.get_by_role("button", name="Run the demo").click()
    page.wait_for_url("**/live**run=**")
    run_id = page.evaluate("new URL(location.href).searchParams.get('run')")
    # Two evaluations are enough for a verdict; the whole demo is timed elsewhere.
    wait_until(server.store, run_id, lambda _: len(server.store.samples.steps(run_id)) > 1, 1800)
    page.get_by_role("button", name="Save and stop").or_(
        page.get_by_role("button", name="Stop")
    ).first.click()
    wait_until(server.store, run_id, lambda found: found.status == "stopped", 1800)
    page = open_page(f"/overview?run={run_id}")
    page.locator(".drpo-hero .said", has_text="Preferred to the start policy in").wait_for()
    page.get_by_role("link", name="A report to send").click()
    page.get_by_role("button", name="Save drpo-").wait_for()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save drpo-").click()
    saved = tmp_path / "report.html"
    waiting.value.save_as(saved)
    assert saved.read_bytes() == build(server.store, [run_id])
    assert_opens_offline(browser, saved)


@pytest.mark.slow
def test_a_pilot_goes_from_an_uploaded_file_to_a_decision(server, open_page):
    page = open_page("/data")
    page.locator("input[type=file]").set_input_files(
        {"name": "own.jsonl", "mimeType": "", "buffer": own_pairs()}
    )
    page.get_by_label("Name of the data set").fill("own pairs")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved as own pairs, version 1: 240 pairs.").wait_for()

    page.get_by_role("link", name="Pilot").click()
    page.get_by_role("textbox", name="What shall it be called?").fill("walked")
    page.get_by_role("button", name="Begin a pilot").click()
    page.wait_for_url("**pilot=**")
    page.get_by_role("combobox", name="Preference pairs").click()
    page.get_by_role("option", name="own pairs", exact=True).click()
    page.get_by_text("240 pairs").first.wait_for()
    page.get_by_role("button", name="Next: Run small").click()

    # As small as the form allows without the answers losing their ends.
    for label, (leaf, value) in SMALLEST.items():
        field = page.get_by_role("spinbutton", name=label)
        field.fill(str(value))
        field.press("Enter")
        one = wait_for_pilot(server.store, "walked", **{leaf: value})
    page.get_by_text("6 runs, about").wait_for()
    page.get_by_role("button", name="Run the pilot").click()
    page.get_by_text("of 12 updates done").wait_for()
    members = design.members(server.store, one)
    assert [(member.arm, member.seed) for member in members] == [
        (arm, seed) for seed in range(3) for arm in design.ARMS
    ]
    for member in members:
        wait_until(server.store, member.run.id, lambda found: found.status == "finished", 1800)

    page.get_by_text("12 of 12 updates done").wait_for()
    page.get_by_role("button", name="Next: Read the verdict").click()
    page.get_by_text("over 3 paired seeds").first.wait_for()
    assert re.search(r"95.% interval", page.locator(".drpo-hero").inner_text())
    page.get_by_role("heading", name="Effect · Risk · Cost").wait_for()
    for row in ("held-out reward at the end", "KL to the start policy", "time of a run"):
        # A table is drawn on a canvas; what it says stands in it for screen readers.
        page.locator("canvas td", has_text=row).first.wait_for(state="attached")
    page.get_by_role("button", name="Next: Decide").click()
    page.get_by_text("Estimated time on this machine").wait_for()
    page.get_by_text("Repeat with more seeds").click()
    page.get_by_role("textbox", name="Why").fill("too few updates")
    page.get_by_role("button", name="Keep this decision").click()
    page.get_by_text("Decided 20").wait_for()
    assert design.load(server.store, one.id).decision.note == "too few updates"
    assert page.failures == []


SMALLEST = {
    "Updates": ("updates", 2),
    "Episodes per update": ("episodes_per_update", 8),
    "Longest answer, tokens": ("response_length", 24),
}


def own_pairs():
    """A team's own file: posts like the sample's, so that the sample models can read them."""
    with gzip.open(demo.SAMPLES / "files" / "tldr.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(next(lines)) for _ in range(240)]
    kept = ("prompt", "chosen", "rejected")
    return "".join(json.dumps({key: row[key] for key in kept}) + "\n" for row in rows).encode()


def wait_for_pilot(store, name, **settings):
    """Wait until what was typed is the pilot's plan."""
    until = time.monotonic() + 90
    while time.monotonic() < until:
        one = next(one for one in design.every(store) if one.name == name)
        if settings.items() <= one.settings.items():
            return one
        time.sleep(0.1)
    pytest.fail(f"the plan never became {settings}; it is {one.settings}")


def test_a_pilots_verdict_and_decision_come_back_by_their_link(server, open_page, tried):
    page = open_page(f"/pilot?pilot={tried.id}&step=3")
    page.get_by_text("Resets helped").first.wait_for()
    assert "+1.00" in page.locator(".drpo-hero").inner_text()
    page = open_page(f"/pilot?pilot={tried.id}&step=4")
    page.get_by_text("Scale up with resets").click()
    page.get_by_role("button", name="Keep this decision").click()
    page.get_by_text("Decided 20").wait_for()
    page.reload()
    page.get_by_text("Decided 20").wait_for()
    link = page.get_by_role("link", name="Open the launch form").get_attribute("href")
    assert "updates=100" in link
    assert "learning_rate=0.0001" in link
    assert design.load(server.store, tried.id).decision.choice == "scale_resets"


def test_a_link_to_a_pilot_that_is_gone_says_what_to_do(open_page):
    page = open_page("/pilot?pilot=nothing")
    page.get_by_text("This link names a pilot that is not here").wait_for()
