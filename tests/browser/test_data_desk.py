"""The data desk in a real browser: upload, correct the mapping, clean, save, launch."""

import json
import os
import time
from itertools import product
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from chat_models import chat_folder

from browser.looking import barriers, keep_picture
from tests.data.label_material import honest_pairs, with_wrong

pytestmark = pytest.mark.browser

WORDS = (
    ("red", "blue", "green", "grey"),
    ("kite", "bell", "lamp"),
    ("lost", "found", "sold"),
    ("lake", "mill", "farm"),
)
POSTS = [
    f"Post {number}: the {colour} {thing} was {done} near the {place}."
    for number, (colour, thing, done, place) in enumerate(product(*WORDS))
]


def file_with(labels: tuple[int, int]) -> bytes:
    """A hundred-odd rows, some of them twice; 0 and 1 as labels could mean either answer."""
    rows = [
        {
            "post": post,
            "answer_a": f"It says: {post[5:]}",
            "answer_b": f"I do not know {number}.",
            "label": labels[number % 4 == 0],
        }
        for number, post in enumerate(POSTS)
    ]
    return "".join(json.dumps(row) + "\n" for row in [*rows, *rows[:9]]).encode()


def test_upload_correct_a_mapping_leave_out_duplicates_save_and_launch(open_page, server):
    page = open_page("/data")
    page.locator("input[type=file]").set_input_files(
        {"name": "../<b>odd & name.jsonl", "mimeType": "", "buffer": file_with((1, 0))}
    )
    # The file asks: which value says that the first answer is better?
    page.get_by_text("could mean more than one thing").wait_for()
    page.get_by_label("Value for “first is better”").fill("1")
    page.get_by_label("Value for “second is better”").fill("0")
    page.get_by_role("button", name="Read it this way").click()
    page.get_by_text("Can it carry DR-PO?").wait_for()
    assert page.locator("[data-testid=stMetricValue]").first.inner_text() == "117"
    assert "upload=" in page.url

    # A refresh shows the same report.
    page.reload()
    page.get_by_text("Can it carry DR-PO?").wait_for()
    page.get_by_role("tab", name="Pictures").click()
    page.locator(".st-key-data_lengths .js-plotly-plot").wait_for()

    page.get_by_label("Name of the data set").fill("odd posts")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved as odd posts, version 1: 108 pairs.").wait_for()
    [saved] = [one for one in server.store.datasets.all() if one.name == "odd posts"]
    assert saved.rows == 108
    assert saved.recipe["left_out"] == {"duplicate": 9}
    assert saved.source == "<b>odd & name.jsonl"

    page.get_by_role("button", name="Launch a run with it").first.click()
    page.get_by_role("heading", name="Launch", level=1).wait_for()
    page.locator("input[value='odd posts:1']").wait_for()
    assert page.failures == []
    assert page.foreign == []


@pytest.mark.parametrize("width", [1200, 390])
def test_every_picture_of_the_data_is_drawn_in_a_narrow_window(open_page, width):
    page = open_page("/data", width=width)
    page.locator("input[type=file]").set_input_files(
        {"name": "posts.jsonl", "mimeType": "", "buffer": file_with((2, 1))}
    )
    page.get_by_role("tab", name="Pictures").click()
    charts = page.get_by_role("tabpanel", name="Pictures").locator(".drpo-chart")
    charts.first.locator(".js-plotly-plot").wait_for()
    assert charts.count() >= 5
    # Beside each other there is less room for each than charts are drawn for at first.
    assert charts.first.bounding_box()["width"] < 460
    for place in range(charts.count()):
        charts.nth(place).locator(".main-svg").first.wait_for()
        chart = charts.nth(place).bounding_box()
        drawn = charts.nth(place).locator(".main-svg").first.bounding_box()
        assert drawn["width"] == pytest.approx(chart["width"], abs=1)
    assert page.locator(".drpo-waiting").count() == 0
    assert page.failures == []


def test_a_broken_file_gets_one_sentence_and_the_page_goes_on(open_page):
    page = open_page("/data")
    page.locator("input[type=file]").set_input_files(
        {"name": "cut.json", "mimeType": "", "buffer": b'[{"prompt": "a", "chosen": "b'}
    )
    page.get_by_text("cut.json is cut off").wait_for()
    page.get_by_role("button", name="Another file").click()
    page.get_by_text("A file with preference pairs").wait_for()


@pytest.mark.parametrize(
    ("width", "scheme", "language"),
    [(1440, "light", "en"), (1440, "dark", "ja"), (390, "light", "ja")],
)
def test_the_report_can_be_read_by_everyone(open_page, width, scheme, language):
    page = open_page("/data", width=width, height=1800, scheme=scheme, language=language)
    page.locator("input[type=file]").set_input_files(
        {"name": "posts.jsonl", "mimeType": "", "buffer": file_with((2, 1))}
    )
    page.locator(".st-key-save_go").wait_for()
    page.wait_for_selector("[data-test-script-state='notRunning']")
    time.sleep(2)
    kept = os.environ.get("DRPO_SCREENS")
    if kept:
        page.screenshot(path=f"{kept}/data-{width}-{scheme}-{language}.png")
    found = Axe().run(
        page,
        context={"include": [["[data-testid=stMain]"]]},  # the frame has a test of its own
        options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]},
    )
    assert [violation["id"] for violation in found.response["violations"]] == []
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width


def test_ten_doubtful_labels_are_read_by_keyboard_and_four_dropped(open_page, server):
    pairs, wrong = with_wrong(honest_pairs(160), 0.15)
    rows = [{"prompt": p.prompt, "chosen": p.chosen, "rejected": p.rejected} for p in pairs]
    page = open_page("/data")
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    page.locator("input[type=file]").set_input_files(
        {"name": "doubts.jsonl", "mimeType": "", "buffer": content}
    )
    page.get_by_role("tab", name="Labels").click()
    page.get_by_role("button", name="Check the labels").click()
    page.get_by_role("heading", name="Read the doubtful ones").wait_for()

    assert barriers(page) == {}
    kept = os.environ.get("DRPO_SCREENS")
    if kept:
        page.set_viewport_size({"width": 1440, "height": 1700})
        keep_picture(page, Path(kept) / "data-labels-1440-light.webp")
    dropped, card = [], page.locator(".st-key-label_suspect .card")
    for number, key in enumerate(["d", "k", "d", "f", "k", "d", "k", "d", "k", "k"], 1):
        pair = int(card.inner_text().split("Pair ")[1].split(" ")[0])
        if key == "d":
            dropped.append(pair)
        page.keyboard.press(key)
        page.get_by_text(f"{number} of").wait_for()
        card.filter(has_not_text=f"Pair {pair} ").wait_for()
    page.get_by_text("5 kept, 1 turned around, 4 dropped").wait_for()
    page.keyboard.press("u")
    page.get_by_text("4 kept, 1 turned around, 4 dropped").wait_for()

    page.get_by_label("Name of the data set").fill("without doubts")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved as without doubts, version 1: 156 pairs.").wait_for()
    [saved] = [one for one in server.store.datasets.all() if one.name == "without doubts"]
    assert saved.recipe["steps"]["drop"] == dropped
    assert len(saved.recipe["steps"]["flip"]) == 1
    assert all(wrong[number - 1] for number in dropped)

    page.get_by_role("button", name="Launch a run with it").first.click()
    page.locator("input[value='without doubts:1']").wait_for()
    assert page.failures == []


def test_rows_are_shown_as_a_model_reads_them(open_page, tmp_path):
    chat_folder("llama3", tmp_path / "model")
    row = {
        "prompt": [{"role": "user", "content": "What is <b>bread</b>?"}],
        "chosen": [{"role": "assistant", "content": "Food 日🙂 and much more of it."}],
        "rejected": [{"role": "assistant", "content": "No."}],
    }
    page = open_page("/data")
    page.locator("input[type=file]").set_input_files(
        {"name": "talk.jsonl", "mimeType": "", "buffer": (json.dumps(row) + "\n").encode() * 2}
    )
    page.get_by_text("Can it carry DR-PO?").wait_for()
    page.get_by_role("tab", name="Rows").click()
    model = page.locator(".st-key-tokens_model input")
    model.fill(str(tmp_path / "model"))
    model.press("Enter")
    length = page.locator(".st-key-tokens_length input")
    length.fill("12")
    length.press("Enter")
    page.get_by_role("button", name="Show rows").click()
    rows = page.locator(".token-rows .row")
    rows.first.wait_for()
    texts = rows.first.locator(".body")
    assert "<b>bread</b>" in texts.nth(0).inner_text().replace("⏎", "")
    chips = texts.nth(0).locator(".special").all_inner_texts()
    assert chips[:2] == ["<s>", "<|start_header_id|>"]
    assert chips.count("<s>") == 1
    assert texts.nth(1).locator(".end.cut").inner_text() == "<|eot_id|>"
    assert texts.nth(2).locator(".end:not(.cut)").inner_text() == "<|eot_id|>"
    page.get_by_text("reads conversations by its own chat template").wait_for()
    faults = {
        name: ours
        for name, nodes in barriers(page).items()
        if (ours := [node for node in nodes if "part" in node or "row" in node])
    }
    assert faults == {}
    assert page.failures == []
    assert page.foreign == []
