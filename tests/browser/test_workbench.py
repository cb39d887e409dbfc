"""The analyst's whole path on real runs: from a planned sweep to an answer continued by hand."""

import re
import time

import pytest
from runs import small_config

from drpo.playground import Playground

pytestmark = pytest.mark.browser

FRONTIER = ".st-key-compare_frontier .js-plotly-plot"
SWEEP_SECONDS = 600
"""Eight worker processes; a busy machine may take minutes, a free one takes one."""


@pytest.fixture
def base(server, tmp_path, model_folder, reward_folder):
    """A run whose settings the sweep takes over: tiny models, two updates."""
    config = small_config(
        tmp_path,
        model_folder("llama"),
        reward_folder,
        name="tiny base",
        updates=2,
        eval_every=1,
        checkpoint_every=1,
        learning_rate=1e-2,
    )
    run = server.store.runs.create(config)
    server.store.runs.change(run.id, status="stopped")
    return run


@pytest.fixture
def playground(server, monkeypatch):
    """The screen's own playground process, ended with the test instead of by idling."""
    monkeypatch.setenv("DRPO_HOME", str(server.home))
    yield
    Playground().stop()


def asked(page, name):
    return page.evaluate(f"new URL(location.href).searchParams.get('{name}')")


def plain(text):
    """What trimming, drawing, and cutting between the bytes of one letter leave alone."""
    return "".join(letter for letter in text if letter.isascii() and letter.isalnum())


def click_cell_of_table(page, table, row):
    """Click the button at the beginning of a row; tables are drawn, not made of elements."""
    table.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    box = table.bounding_box()
    page.mouse.click(box["x"] + 40, box["y"] + 35 * (row + 1) + 17)


@pytest.mark.slow
@pytest.mark.usefixtures("playground")
def test_from_a_sweep_to_an_answer_continued_from_one_of_its_prefixes(server, open_page, base):
    page = open_page("/sweep", height=1600)
    sweep_id = plan(server, page, base)
    cells_fill(server, page, sweep_id)
    chosen = open_cell_on_compare(page, server)
    run_id, step = open_point(page, server, chosen)
    episode = open_episode(page, server, run_id, step)
    continue_by_hand(page, server, episode)
    assert page.failures == []


def plan(server, page, base):
    """Two reset probabilities, two KL coefficients, two seeds; returns the sweep's id."""
    if server.store.sweeps.all():
        # Unfolded by itself only where there is none yet.
        page.get_by_text("Plan a new sweep").click()
    field = page.get_by_role("combobox", name="All runs share the settings of")
    field.fill("tiny base")
    page.get_by_role("option", name=base.name).first.click()
    page.get_by_text("Stop clearly worse cells early").click()
    page.get_by_text("4 cells × 2 seeds = 8 runs").wait_for()
    known = {sweep.id for sweep in server.store.sweeps.all()}
    page.get_by_role("button", name="Start the sweep").click()
    # The address may name another sweep until then.
    page.wait_for_function(
        "known => !known.includes(new URL(location.href).searchParams.get('sweep') ?? known[0])",
        arg=[None, *known],
    )
    return asked(page, "sweep")


def cells_fill(server, page, sweep_id):
    """All eight runs end, and the screen shows it without a reload."""
    until = time.monotonic() + SWEEP_SECONDS
    while time.monotonic() < until and server.store.sweeps.get(sweep_id).status == "running":
        for run in server.store.runs.all(sweep_id=sweep_id):
            assert run.status not in ("failed", "interrupted"), run.error
        time.sleep(0.5)
    runs = server.store.runs.all(sweep_id=sweep_id)
    assert [run.status for run in runs] == ["finished"] * 8
    page.get_by_text("finished: 8 of 8 runs ended").wait_for()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.st-key-cells .annotation')]"
        ".filter(node => node.textContent.includes('n = 2')).length == 4"
    )


def open_cell_on_compare(page, server):
    """A click on the cell of resets and the weak brake; returns the runs that Compare shows."""
    labels = page.locator(".st-key-cells .annotation", has_text="n = 2")
    box = labels.nth(1).bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_url("**/compare**")
    ids = asked(page, "runs").split(",")
    settings = {
        (run.config["reset"]["reset_prob"], run.config["kl"]["kl_coef"], run.config["run"]["seed"])
        for run in (server.store.runs.get(run_id) for run_id in ids)
    }
    assert settings == {(0.5, 0.05, 0), (0.5, 0.05, 1), (0.0, 0.05, 0), (0.0, 0.05, 1)}
    return ids


def open_point(page, server, ids):
    """A click on the last point of the first run opens what that checkpoint writes."""
    page.wait_for_function(f"() => document.querySelector('{FRONTIER}')?.calcdata?.length > 4")
    page.locator(FRONTIER).scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    place = page.evaluate(
        f"""() => {{
          const plot = document.querySelector('{FRONTIER}')
          const {{ xaxis, yaxis }} = plot._fullLayout
          const point = plot.calcdata.find(points => points[0].trace.customdata).at(-1)
          const box = plot.getBoundingClientRect()
          return [box.x + xaxis._offset + xaxis.c2p(point.x),
                  box.y + yaxis._offset + yaxis.c2p(point.y)]
        }}"""
    )
    page.mouse.move(place[0] + 1, place[1] + 1)
    page.wait_for_timeout(300)
    page.mouse.click(place[0] + 1, place[1] + 1)
    page.wait_for_url("**of=**")
    run_id = asked(page, "of")
    # The newest step is left out of links.
    step = int(asked(page, "step") or server.store.samples.last_step(run_id))
    assert run_id in ids
    assert step > 0
    written = [plain(sample.response) for sample in server.store.samples.at(run_id, step)]
    page.wait_for_function(
        "count => [...document.querySelectorAll('*')].flatMap(node => node.shadowRoot ? "
        "[...node.shadowRoot.querySelectorAll('.answers .response')] : []).length == count",
        arg=len(written),
    )
    shown = page.locator(".answers .response .text").all_text_contents()
    assert [plain(text) for text in shown if plain(text) in written] == written
    return run_id, step


def open_episode(page, server, run_id, step):
    """From the answers to that update's episodes, and from one that was reset to the playground."""
    page.get_by_role("link", name=f"The episodes of update {step}").click()
    page.wait_for_url("**/resets**")
    page.get_by_text("Episodes that were reset").wait_for()
    assert asked(page, "run") == run_id
    episodes = server.store.samples.at(run_id, step, "episode")
    resets = [episode for episode in episodes if episode.start == "reset"]
    page.get_by_text(f"{len(resets)} of {len(episodes)}", exact=True).wait_for()
    page.get_by_role("radio", name="Reset", exact=True).click()
    page.get_by_text("All episodes as a table").click()
    table = page.get_by_test_id("stDataFrame")
    table.wait_for()
    click_cell_of_table(page, table, 0)
    page.wait_for_url("**/playground**")
    episode = server.store.samples.get(int(asked(page, "sample")))
    assert (episode.run_id, episode.step, episode.start) == (run_id, step, "reset")
    return episode


def continue_by_hand(page, server, episode):
    """Its prefix is there; checkpoints go on from it, and again from a word that is clicked."""
    wait_for_field(page, episode.prefix)
    page.get_by_role("button", name="Write", exact=True).click()
    [first] = wait_for_writing(server, 1)
    assert first["prefix"] == episode.prefix
    assert {answer["run"] for answer in first["answers"]} == {episode.run_id}
    page.get_by_text("weights").first.wait_for()
    words = page.locator(".tokens .body").first.locator("button.token:not(.given)")
    # Half a letter shows nothing and has no place to click; before the second there is one more.
    words.filter(has_text=re.compile("[A-Za-z0-9]")).nth(1).click()
    second = wait_for_writing(server, 2)[0]
    assert second["prefix"].startswith(episode.prefix)
    assert plain(first["answers"][0]["text"]).startswith(plain(second["prefix"]))
    assert len(second["prefix"]) > len(episode.prefix)
    for answer in second["answers"]:
        assert plain(answer["text"]).startswith(plain(second["prefix"]))
        assert answer["weights"]
    wait_for_field(page, second["prefix"])


def wait_for_field(page, text):
    page.wait_for_function(
        "text => [...document.querySelectorAll('textarea')].some(node => node.value == text)",
        arg=text,
    )


def wait_for_writing(server, count):
    """Wait for so many kept generations; returns them, newest first."""
    until = time.monotonic() + 240
    while time.monotonic() < until:
        kept = [document.body for document in server.store.documents.all("playground")]
        if len(kept) >= count:
            return kept
        time.sleep(0.2)
    raise AssertionError("nothing was written")
