"""Sixty payloads in files: uploads, archives, model folders, logs; and in what people name.

None fetches, runs, becomes a part of the page, hides what is around it, or writes outside of the
workspace.
"""

import csv
import gzip
import io
import json
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from urllib.parse import urlencode

import pytest
import review_material
import screen_material
import sweep_material

from browser.test_hostile import HTML, MARKDOWN, PAYLOADS
from drpo.review import ReviewSession, create_review
from drpo.store import run_folder
from drpo.store.schema import Dataset
from drpo.sweep import stop
from tests.runs import write_pairs

pytestmark = pytest.mark.browser

CLEAN = "[id='evil'], [onerror], [onload], [ontoggle], [onfocus], base"


def see_that_it_is_harmless(page, server):
    page.wait_for_selector("[data-testid='stApp'][data-test-script-state='notRunning']")
    page.wait_for_timeout(500)
    assert page.evaluate("() => window.pwned") is None
    assert page.evaluate("() => Object.prototype.pwned") is None
    assert page.locator(CLEAN).count() == 0
    assert page.locator("[src*='evil.example'], [href*='evil.example']").count() == 0
    assert page.locator("a[href^='javascript:']").count() == 0
    assert page.get_by_role("heading", name="A heading of somebody's").count() == 0
    # Nothing lies over the screen or takes it away.
    assert page.get_by_role("heading", level=1).first.is_visible()
    assert page.foreign == []
    assert page.failures == []
    assert page.url.startswith(server.url)


def rows():
    """Each payload as prompt, as answer and as the name of a column."""
    return [
        {
            "prompt": f"{number} {text}",
            "chosen": f"good {text}",
            "rejected": f"bad {text}",
            text: text,
        }
        for number, text in enumerate(PAYLOADS)
    ]


def as_csv():
    out = io.StringIO()
    writer = csv.writer(out)
    extra = [text.replace("\x00", "") for text in PAYLOADS]
    writer.writerow(["prompt", "chosen", "rejected", *extra])
    for number, text in enumerate(PAYLOADS):
        writer.writerow([f"{number} {text}", f"good {text}", f"bad {text}", *extra])
    return out.getvalue().encode()


def lines():
    return "".join(json.dumps(row) + "\n" for row in rows()).encode()


def zipped(*members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


OUTSIDE = Path(tempfile.gettempdir()) / "drpo-evil"
FILES = {
    f"{HTML[1].replace('/', '')}.jsonl": lines(),
    "=cmd|' !A0.csv": as_csv(),
    "../../../drpo-evil.jsonl.gz": gzip.compress(lines()),
    "climbs.zip": zipped(("../../../../tmp/drpo-evil/pairs.jsonl", lines())),
    "absolute.zip": zipped((f"{OUTSIDE}/pairs.jsonl", lines())),
    "named.zip": zipped(
        (f"{HTML[1].replace('/', '')}{MARKDOWN[0].replace('/', '')}.jsonl", lines())
    ),
    "two.zip": zipped(("a.jsonl", lines()), (f"{HTML[0].replace('/', '')}.jsonl", lines())),
    "page.jsonl": "\n".join(HTML).encode(),
    "questions.jsonl": "".join(
        json.dumps({"prompt": f"p{n}", "a": f"x{n}", "b": f"y{n}", "label": PAYLOADS[n % 60]})
        + "\n"
        for n in range(120)
    ).encode(),
}


SETTLED = """() => {
  const said = document.querySelector("[data-testid='stMain']").innerText;
  return said.includes("Can it carry DR-PO?") || said.includes("could mean more than one thing")
    || document.querySelector("[role='alert']");
}"""
LONG = os.environ.get("DRPO_TORTURE") == "1"
REFUSED = ("two.zip", "page.jsonl", "questions.jsonl")
IN_SHORT = ("=cmd|' !A0.csv", "climbs.zip")


@pytest.mark.parametrize("name", FILES if LONG else IN_SHORT)
def test_no_payload_in_an_upload_does_anything(name, open_page, server):
    page = open_page("/data")
    page.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "", "buffer": FILES[name]}
    )
    page.wait_for_function("() => location.search.includes('upload=')")
    page.wait_for_function(SETTLED)
    see_that_it_is_harmless(page, server)
    tabs = page.get_by_role("tab")
    assert (tabs.count() == 0) == (name in REFUSED)
    for at in range(tabs.count()):
        tabs.nth(at).click()
        see_that_it_is_harmless(page, server)
    assert not OUTSIDE.exists()
    assert not (server.home.parent / "drpo-evil.jsonl.gz").exists()


def test_no_payload_in_a_log_does_anything(open_page, server):
    run = screen_material.add_run(server.store, "logged", updates=2)
    folder = server.home / "runs" / run_folder(run.id).name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "worker.log").write_text("\n".join(PAYLOADS), encoding="utf-8")
    page = open_page(f"/live?run={run.id}&view=log")
    page.get_by_text(HTML[5][:30]).first.wait_for()
    see_that_it_is_harmless(page, server)


@pytest.fixture
def hostile_model(server, model_folder):
    """A model whose folder, settings, tokenizer, card and code are payloads."""
    folder = server.home / f"m{HTML[1].replace('/', '')} {MARKDOWN[1].replace('/', '')}"
    shutil.copytree(model_folder(), folder)
    config = json.loads((folder / "config.json").read_text())
    touch = f"open({str(OUTSIDE)!r}, 'w')"
    code = f"class Evil:\n    {touch}\n"
    config |= {
        "auto_map": {"AutoModelForCausalLM": "evil.Evil", "AutoConfig": "evil.Evil"},
        "_name_or_path": HTML[1],
        "torch_dtype": HTML[0],
        **{text: text for text in PAYLOADS},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(code)
    (folder / "README.md").write_text("\n\n".join(PAYLOADS))
    escape = "{{ cycler.__init__.__globals__.os.system('touch " + str(OUTSIDE) + "') }}"
    (folder / "chat_template.jinja").write_text(escape + " ".join(HTML))
    return folder


def test_no_payload_in_a_model_folder_does_anything(hostile_model, open_page, server, tmp_path):
    data = shutil.copy(write_pairs(tmp_path / "pairs.jsonl"), server.home / "pairs.jsonl")
    asked = {"start": "blank", "data": str(data), "policy": str(hostile_model), "method": "ppo"}
    page = open_page(f"/launch?{urlencode(asked)}")
    see_that_it_is_harmless(page, server)
    page.get_by_role("button", name="Launch", exact=True).click()
    page.wait_for_timeout(1000)
    see_that_it_is_harmless(page, server)
    assert not OUTSIDE.exists()


NAMES = [*HTML, *MARKDOWN]


@pytest.fixture(scope="module")
def named(server):
    """Saved sets, sweeps, a review and its reviewers, all called by payloads."""
    store = server.store
    for number, text in enumerate(NAMES):
        name = " ".join(text.split())[:120]
        set_of = Dataset(
            id=f"evil{number}",
            name=name,
            version=1,
            path="x",
            content_hash="h",
            rows=1,
            source=text,
        )
        store.datasets.add(set_of)
    sweeps = [sweep_material.create(store, sweep_material.plan(), text[:100]) for text in NAMES[:9]]
    for sweep in sweeps:
        # Their names are what is looked at: nobody waits for what they would train.
        stop(store, sweep)
    sources = review_material.two_sources(store, prompts=30)
    review = create_review(store, HTML[1][:60], sources, items=20)
    for text in NAMES:
        session = ReviewSession(store, review.id, text[:60])
        session.vote(session.next().item, "left")
    return {"sweep": sweeps[1], "review": review.id, "reviewer": HTML[1][:60]}


@pytest.mark.parametrize("screen", ["data", "launch?start=blank", "sweep", "review?view=result"])
def test_no_payload_in_a_name_does_anything(screen, named, open_page, server):
    path, _, asked = screen.partition("?")
    page = open_page(f"/{path}?{urlencode(named)}&{asked}")
    see_that_it_is_harmless(page, server)
