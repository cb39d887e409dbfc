"""What is looked at stands in the URL: a link brings it back, so do a refresh and the Back button.

The server is fresh and the first thing it is asked for is such a link: with `pages/` beside the
entry script Streamlit would serve it by rules of its own.
"""

import pytest
import screen_material
from playwright.sync_api import expect

from browser.conftest import new_window, serve, visit
from browser.looking import wait_until_drawn
from drpo.types import Sample

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    with serve(tmp_path_factory.mktemp("links")) as serving:
        yield serving


@pytest.fixture
def follow(browser, fresh):
    """Open a link in a window of its own."""
    context = new_window(browser)

    def _follow(path):
        page = visit(context, fresh, path)
        wait_until_drawn(page)
        return page

    yield _follow
    context.close()


def said(page, name):
    return page.evaluate(f"new URL(location.href).searchParams.get('{name}')")


def until_said(page, name, value):
    page.wait_for_function(
        "([name, value]) => new URL(location.href).searchParams.get(name) === value",
        arg=[name, value],
    )


def test_the_first_visit_of_a_fresh_server_opens_what_the_link_names(follow, fresh):
    screen_material.add_run(fresh.store, "newer", updates=10)
    run = screen_material.add_run(
        fresh.store, "asked", updates=40, upto=20, status="running", per_update=0.5
    )
    link = f"/live?run={run.id}&step=5&view=all&metric_search=kl&metric_smoothing=0.3&metric_log=1"
    page = follow(link)
    search = page.get_by_label("Search metrics")
    expect(search).to_have_value("kl")
    smoothing = page.get_by_role("slider", name="Smoothing")
    expect(smoothing).to_have_value("0.3")
    assert said(page, "run") == run.id
    assert said(page, "step") == "5"
    # It is looked at while the run goes on, so each second a fragment is drawn anew.
    search.fill("loss")
    until_said(page, "metric_search", "loss")
    smoothing.press("ArrowRight")
    until_said(page, "metric_smoothing", "0.35")
    page.wait_for_timeout(2500)
    page.reload()
    wait_until_drawn(page)
    expect(search).to_have_value("loss")
    assert said(page, "metric_smoothing") == "0.35"
    assert said(page, "metric_log") == "1"
    assert page.failures == []
    fresh.store.runs.change(run.id, status="finished")


def test_a_page_of_episodes_is_in_the_link_and_the_back_button_leads_back_to_it(follow, fresh):
    run = screen_material.add_run(fresh.store, "episodes", updates=2)
    fresh.store.samples.append(
        run.id,
        [
            Sample(
                step=2, kind="episode", item=n, start="prompt", prompt="p", response=f"answer {n}."
            )
            for n in range(100, 120)
        ],
    )
    page = follow(f"/resets?run={run.id}&step=2&episodes_page=3")
    pages = page.locator(".st-key-episodes_page")
    last = page.get_by_text("answer 119.").first
    last.wait_for()
    pages.get_by_text("2", exact=True).click()
    until_said(page, "episodes_page", "2")
    last.wait_for(state="detached")
    page.go_back()
    until_said(page, "episodes_page", "3")
    last.wait_for()
    assert page.failures == []


def test_the_budget_and_the_search_of_all_runs_outlive_a_refresh(follow, fresh):
    runs = [screen_material.add_run(fresh.store, name, updates=10) for name in ("one", "two")]
    ids = ",".join(run.id for run in runs)
    page = follow(f"/compare?runs={ids}&budget=2&shelf=1&shelf_search=two&by_seed=1")
    budget = page.get_by_role("spinbutton").first
    search = page.get_by_label("Find by name or tag")
    expect(budget).to_have_value("2")
    expect(search).to_have_value("two")
    budget.fill("3.5")
    budget.press("Enter")
    until_said(page, "budget", "3.5")
    search.fill("one")
    until_said(page, "shelf_search", "one")
    page.reload()
    wait_until_drawn(page)
    expect(budget).to_have_value("3.5")
    expect(search).to_have_value("one")
    assert (said(page, "by_seed"), said(page, "shelf")) == ("1", "1")
    search.fill("")
    until_said(page, "shelf_search", None)
    assert page.failures == []


def test_a_reviewers_name_is_in_the_link(follow, fresh):
    from drpo.review import ReviewSource, create_review

    run = screen_material.add_run(fresh.store, "judged", updates=10)
    steps = fresh.store.samples.steps(run.id)
    sources = [ReviewSource(f"at {step}", run.id, step) for step in (steps[0], steps[-1])]
    review = create_review(fresh.store, "blind", sources, items=4)
    page = follow(f"/review?review={review.id}&reviewer=Ann")
    name = page.get_by_role("textbox", name="Your name")
    expect(name).to_have_value("Ann")
    name.fill("Bob")
    name.press("Enter")
    until_said(page, "reviewer", "Bob")
    page.reload()
    wait_until_drawn(page)
    expect(name).to_have_value("Bob")
    assert page.failures == []
