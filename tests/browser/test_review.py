"""The reviewer's path in a real browser: blind, by keyboard alone, to pairs that import again."""

import pytest
from review_material import add_run

from drpo.data import load_pairs
from drpo.review import ReviewSource, create_review

pytestmark = pytest.mark.browser

ITEMS = 20
SCORE = 0.123456
"""A learned score that would be recognised anywhere."""


@pytest.fixture(scope="module")
def review(server):
    """A review whose sources have names that no text contains."""
    made = []
    for label, text in (("northern", "plain words"), ("southern", "better words")):
        answers = [(f"{text} {n}", SCORE, None) for n in range(ITEMS)]
        run = add_run(server.store, f"{label}-run", answers)
        server.store.runs.change(run.run_id, status="finished")
        made.append(ReviewSource(f"{label} policy", run.run_id, run.step))
    return create_review(server.store, "browser review", made, items=ITEMS)


def answer_texts(page):
    texts = page.locator(".answer .response")
    texts.nth(1).wait_for()
    return [texts.nth(place).inner_text() for place in (0, 1)]


def vote_by_keyboard(page, done):
    # The counter may be drawn before the card; the card's own title says that it is the new one.
    page.get_by_text(f"Item {done}", exact=True).wait_for()
    left, _ = answer_texts(page)
    page.keyboard.press("a" if "better" in left else "b")
    page.get_by_text(f"{done} of {ITEMS} judged").wait_for()


def test_nothing_on_the_page_or_in_its_traffic_tells_whose_an_answer_is(open_page, review):
    page = open_page(f"/review?review={review.id}&reviewer=spy")
    heard = []
    page.on("response", lambda response: heard.append(response.url.encode()))
    page.on(
        "websocket",
        lambda socket: socket.on(
            "framereceived",
            lambda frame: heard.append(frame if isinstance(frame, bytes) else frame.encode()),
        ),
    )
    page.reload()
    page.get_by_text(f"0 of {ITEMS} judged").wait_for()
    answer_texts(page)
    everything = b"\n".join([*heard, page.content().encode()])
    # The traffic was really read: the answers' own words are in it.
    assert b"better words" in everything
    telling = [review.secret, str(SCORE)]
    for source in review.sources:
        telling += [source.run_id, source.label, source.key]
    assert [text for text in telling if text.encode() in everything] == []


def test_twenty_votes_by_keyboard_lead_to_a_win_rate_and_to_pairs_that_import(
    open_page, review, tmp_path
):
    page = open_page(f"/review?review={review.id}&reviewer=ann")
    page.get_by_text(f"0 of {ITEMS} judged").wait_for()
    for done in range(1, 4):
        vote_by_keyboard(page, done)
    page.keyboard.press("u")
    page.get_by_text(f"2 of {ITEMS} judged").wait_for()
    for done in range(3, ITEMS + 1):
        vote_by_keyboard(page, done)
    page.get_by_text("All items are judged").wait_for()
    page.get_by_role("radio", name="Result").focus()
    page.keyboard.press("Enter")
    said = page.get_by_text("southern policy preferred to northern policy")
    said.wait_for()
    # Twenty wins of twenty: Wilson's interval begins at 84 %.
    assert "100" in said.inner_text()
    assert "84" in said.inner_text()
    page.locator(".st-key-review_rates .js-plotly-plot .point").first.wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="JSONL").click()
    path = tmp_path / "votes.jsonl"
    download.value.save_as(path)
    pairs = load_pairs(str(path)).pairs
    assert len(pairs) == ITEMS
    assert all("better" in pair.chosen and "plain" in pair.rejected for pair in pairs)
    assert page.failures == []
    assert page.foreign == []


def test_a_refresh_goes_on_at_the_same_item_and_a_phone_has_room_for_thumbs(open_page, review):
    page = open_page(f"/review?review={review.id}&reviewer=tom", width=390, height=844)
    page.get_by_text(f"0 of {ITEMS} judged").wait_for()
    first = answer_texts(page)
    page.reload()
    page.get_by_text(f"0 of {ITEMS} judged").wait_for()
    assert answer_texts(page) == first
    for key in ("left", "right", "tie", "both_bad"):
        box = page.locator(f".st-key-press_{key} button").bounding_box()
        assert box["height"] >= 44
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
