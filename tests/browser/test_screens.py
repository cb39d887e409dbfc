"""The screens in a real browser, on a fresh server, with rows as a worker writes them."""

import re
import threading
import time

import numpy as np
import pytest
import screen_material

from drpo.i18n import t

pytestmark = pytest.mark.browser

STEPS = 200
REWARD = ".st-key-reward .js-plotly-plot"


class Worker(threading.Thread):
    """Writes a run's next updates until told to stop, as a worker would."""

    def __init__(self, store, run, first, pause=0.5):
        super().__init__(daemon=True)
        self.store, self.run_row, self.step, self.pause = store, run, first, pause
        self.told = threading.Event()

    def run(self):
        rng = np.random.default_rng(3)
        while not self.told.wait(self.pause):
            self.step += 1
            far = self.step / STEPS
            values = screen_material.update_metrics(
                far,
                rng,
                gold=True,
                gain=1,
                hack=0,
                reset_prob=0.5,
                kl_coef=0.2,
                step=self.step,
                per_update=self.pause,
            )
            self.store.metrics.append(self.run_row.id, self.step, values)
            self.store.runs.change(
                self.run_row.id, step=self.step, stage_done=self.step, heartbeat_at=time.time()
            )

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.told.set()
        self.join()


@pytest.fixture
def live_run(server):
    run = screen_material.add_run(
        server.store, "live", updates=STEPS, upto=12, status="running", per_update=0.5
    )
    yield run
    server.store.runs.change(run.id, status="finished")


def plot(page, expression):
    """Evaluate an expression about the reward chart, which it calls `p`."""
    return page.evaluate(
        f"() => {{ const p = document.querySelector('{REWARD}'); return {expression} }}"
    )


POINTS = "Math.max(...p.calcdata.map(c => c.length))"


def wait_for(page, expression):
    page.wait_for_function(
        f"() => {{ const p = document.querySelector('{REWARD}'); "
        f"return p && p.layout && ({expression}) }}"
    )


@pytest.mark.slow
def test_zoom_hidden_lines_scroll_and_an_open_sample_survive_sixty_ticks(
    server, open_page, live_run
):
    page = open_page(f"/live?run={live_run.id}")
    wait_for(page, "p.calcdata.length > 2")
    # Zoom by dragging, as people do.
    box = page.locator(f"{REWARD} .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 20, steps=6)
    page.mouse.up()
    wait_for(page, "p.layout.xaxis.range[1] < 120")
    page.locator(f"{REWARD} .legendtoggle").first.click()
    wait_for(page, "p.data.some(d => d.visible == 'legendonly')")
    page.get_by_role("button", name="Show the whole prompt").first.click()
    main = page.get_by_test_id("stMain")
    main.evaluate("node => node.scrollTo(0, 260)")
    before = plot(
        page,
        "({range: [...p.layout.xaxis.range], y: [...p.layout.yaxis.range], "
        "hidden: p.data.filter(d => d.visible == 'legendonly').map(d => d.uid)})",
    )
    scrolled = main.evaluate("node => node.scrollTop")
    with Worker(server.store, live_run, 12, pause=0.4) as worker:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            time.sleep(1)
            assert plot(page, "[...p.layout.xaxis.range]") == before["range"]
    page.wait_for_function(f"() => document.body.innerText.includes('update {worker.step} of')")
    after = plot(
        page,
        "({range: [...p.layout.xaxis.range], y: [...p.layout.yaxis.range], "
        "hidden: p.data.filter(d => d.visible == 'legendonly').map(d => d.uid)})",
    )
    assert worker.step > 60
    assert plot(page, POINTS) > 60
    assert after == before
    assert main.evaluate("node => node.scrollTop") == scrolled
    assert page.get_by_role("button", name="Show less").count() == 1
    assert page.failures == []


def test_a_zoom_is_shared_with_the_chart_beside_it_and_kept_there_over_ticks(
    server, open_page, live_run
):
    beside = "document.querySelector('.st-key-kl .js-plotly-plot')"
    page = open_page(f"/live?run={live_run.id}")
    wait_for(page, f"p.calcdata.length > 2 && {beside}?.layout")
    plan = plot(page, "[...p.layout.xaxis.range]")
    box = page.locator(f"{REWARD} .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 20, steps=6)
    page.mouse.up()
    wait_for(page, f"{beside}.layout.xaxis.range[1] < 120")
    zoomed = plot(page, "[...p.layout.xaxis.range]")
    points = f"Math.max(...{beside}.calcdata.map(c => c.length))"
    before = plot(page, points)
    with Worker(server.store, live_run, 12, pause=0.4):
        wait_for(page, f"{points} > {before + 3}")
    for chart in ("p", beside):
        assert plot(page, f"[...{chart}.layout.xaxis.range]") == zoomed
    # A double click brings both back to the plan, and there they stay.
    page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    wait_for(page, f"{beside}.layout.xaxis.range[1] > 120")
    after = plot(page, points)
    with Worker(server.store, live_run, 40, pause=0.4):
        wait_for(page, f"{points} > {after + 3}")
    for chart in ("p", beside):
        assert plot(page, f"[...{chart}.layout.xaxis.range]") == plan
    assert page.failures == []


def test_another_metric_takes_the_place_of_the_one_before(server, open_page):
    run = screen_material.add_run(server.store, "measured", updates=10)
    page = open_page(f"/compare?runs={run.id}&metric=eval/scores")
    chart = page.locator(".st-key-compare_metric .js-plotly-plot")
    chart.get_by_text("Learned reward").first.wait_for()
    page.get_by_role("combobox", name="Compared by").click()
    page.get_by_role("option", name="True (gold) reward").first.click()
    chart.get_by_text("True (gold) reward").first.wait_for()
    assert page.failures == []


def test_a_run_named_like_a_colour_of_ours_keeps_its_name_on_the_charts(server, open_page):
    runs = [screen_material.add_run(server.store, name, updates=5) for name in ("other", "@gold")]
    page = open_page(f"/compare?runs={','.join(run.id for run in runs)}")
    page.locator(".st-key-compare_metric .js-plotly-plot").get_by_text("@gold").first.wait_for()
    assert page.failures == []


def test_a_point_is_on_the_screen_within_a_few_seconds_of_being_written(
    server, open_page, live_run
):
    page = open_page(f"/live?run={live_run.id}")
    wait_for(page, "p.calcdata.length > 2")
    server.store.runs.change(live_run.id, step=57, heartbeat_at=time.time())
    began = time.monotonic()
    page.wait_for_function("() => document.body.innerText.includes('update 57 of')")
    assert time.monotonic() - began < 20


def test_when_the_run_ends_the_screen_says_so_and_stops_asking(server, open_page, live_run):
    page = open_page(f"/live?run={live_run.id}")
    frames = []
    wait_for(page, "p.calcdata.length > 2")
    server.store.runs.change(live_run.id, status="finished")
    page.wait_for_function("() => document.body.innerText.includes('Finished')")
    page.wait_for_selector("[data-test-script-state='notRunning']")
    time.sleep(3)
    watcher = page.context.new_cdp_session(page)
    watcher.send("Network.enable")
    watcher.on("Network.webSocketFrameReceived", lambda event: frames.append(event))
    time.sleep(4)
    assert frames == []


def test_a_refresh_and_a_second_tab_show_the_same_state(server, open_page):
    run = screen_material.add_run(server.store, "kept", updates=15)
    page = open_page(f"/live?run={run.id}")
    page.get_by_role("radio", name="training episodes").click()
    page.get_by_role("radio", name="Settings").click()
    page.wait_for_url("**view=config**")
    page.wait_for_url("**kind=episode**")
    address = page.url.removeprefix(server.url)
    page.reload()
    other = open_page(address)
    for tab in (page, other):
        tab.get_by_text("started with").or_(tab.get_by_text("Settings as JSON")).first.wait_for()
        assert tab.get_by_role("radio", name="training episodes").is_checked()
        assert tab.url.removeprefix(server.url) == address


def test_answers_stay_text_and_nothing_outside_is_asked_for(server, open_page):
    run = screen_material.add_run(server.store, "hostile", updates=10)
    server.store.runs.change(run.id, name="![x](http://example.org/beacon.png) <b>bold</b>")
    for path in (f"/live?run={run.id}", "/", f"/compare?runs={run.id}"):
        page = open_page(path)
        if path != "/":
            page.get_by_text("<img src=x onerror=alert(1)>").first.wait_for()
        assert page.locator("img[src*='example.org'], a[href*='example.org']").count() == 0
        assert page.foreign == []
        assert page.failures == []


def test_the_language_switch_changes_every_screen_and_stands_in_the_link(server, open_page):
    screen_material.add_run(server.store, "for words", updates=5)
    page = open_page("/")
    page.get_by_role("radio", name="日本語").click()
    page.get_by_role("heading", name="人が比べた回答から").wait_for()
    assert "lang=ja" in page.url
    page.get_by_role("link", name="比較").click()
    page.get_by_role("heading", name="どの実行が良いか").wait_for()
    assert "lang=ja" in page.url
    shelf = page.locator(".st-key-shelf details")
    shelf.locator("summary").click()
    page.wait_for_url(re.compile("shelf=1"))
    page.get_by_role("radio", name="English").click()
    # What was unfolded stays so under its other name.
    page.get_by_label(t("run_list.search", lang="en")).wait_for()
    assert shelf.get_attribute("open") is not None
    assert "shelf=1" in page.url


def test_answers_that_stand_change_their_words_with_the_language(server, open_page):
    run = screen_material.add_run(server.store, "for cards", updates=5)
    page = open_page(f"/live?run={run.id}")
    label = page.locator(".answers .card .prompt .label").first
    label.wait_for()
    assert label.text_content() == t("answers.prompt", lang="en")
    page.get_by_role("radio", name="日本語").click()
    page.get_by_text(t("answers.prompt", lang="ja"), exact=True).first.wait_for()
    more = page.locator(".answers .card .more").first
    assert more.text_content() == t("answers.more", lang="ja")


def test_the_dark_theme_is_kept_over_screens_and_reloads(open_page):
    page = open_page("/")
    page.get_by_role("radio", name="Dark").click()
    page.wait_for_function(
        "() => document.documentElement.style.getPropertyValue('--drpo-paper') == '#10161D'"
    )
    page.get_by_role("link", name="Launch").click()
    page.get_by_role("heading", name="Launch").first.wait_for()
    page.reload()
    page.wait_for_function(
        "() => document.documentElement.style.getPropertyValue('--drpo-paper') == '#10161D'"
    )


def test_headers_forbid_frames_and_foreign_sources(server):
    import urllib.request

    with urllib.request.urlopen(server.url, timeout=20) as response:
        policy = response.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'self'" in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
