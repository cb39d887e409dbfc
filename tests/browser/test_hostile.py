"""Sixty payloads wherever text enters: none fetches, runs, or becomes a part of the page."""

import json
import time
from urllib.parse import quote

import pytest
import screen_material

from drpo.types import Sample

pytestmark = pytest.mark.browser

FETCH = "http://evil.example/beacon"
RUN = "window.pwned=1"
HTML = [
    f"<script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f"<img src='{FETCH}.png'>",
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"<iframe src='javascript:{RUN}'></iframe>",
    f"<a href='javascript:{RUN}'>click</a>",
    f"<body onload={RUN}>",
    f"<details open ontoggle={RUN}>",
    f"<input autofocus onfocus={RUN}>",
    f"<video><source onerror={RUN}></video>",
    f"<link rel=stylesheet href='{FETCH}.css'>",
    f"<style>@import '{FETCH}.css';*{{display:none}}</style>",
    f"<object data='{FETCH}'></object>",
    f"<embed src='{FETCH}'>",
    f"<meta http-equiv=refresh content='0;url={FETCH}'>",
    f"<base href='{FETCH}/'>",
    f"<form action='{FETCH}'><button id=evil>x</button></form>",
    f"<math><mtext><img src=x onerror={RUN}></mtext></math>",
    f"</div></span><script>{RUN}</script>",
    f'"><img src=x onerror={RUN}>',
    f"' onmouseover='{RUN}",
    f"<template><script>{RUN}</script></template>",
    f"<noscript><p title='</noscript><img src=x onerror={RUN}>'>",
    f"<!--><script>{RUN}</script>-->",
    f"<![CDATA[<script>{RUN}</script>]]>",
    f"&lt;script&gt;{RUN}&lt;/script&gt;",
    f"<scr<script>ipt>{RUN}</scr</script>ipt>",
    "<div style='position:fixed;inset:0;background:red' id=evil>over all</div>",
]
MARKDOWN = [
    f"![x]({FETCH}.png)",
    f"[click](javascript:{RUN})",
    f"[click]({FETCH})",
    f"[![x]({FETCH}.png)]({FETCH})",
    f"![x][r]\n\n[r]: {FETCH}.png",
    "# A heading of somebody's",
    "**bold** _slanted_ ~~struck~~ `code`",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "> quoted\n\n---",
    ":red[red] :material/home: :streamlit:",
    "$x^2$ and $$\\int_0^1$$",
    f"$\\href{{javascript:{RUN}}}{{x}}$",
    f"$\\includegraphics{{{FETCH}.png}}$",
    f"<{FETCH}>",
    "- [ ] task\n- [x] done",
]
OTHER = [
    "{{7*7}} ${7*7} <%= 7*7 %> #{7*7}",
    "{name} {0} {run.__class__}",
    "%s %n %(name)s",
    '=HYPERLINK("http://evil.example")',
    "\x1b[2J\x1b]0;gone\x07",
    "\u202egnp.exe\u202c",
    "\u2066hidden\u2069 zero\u200bwidth",
    "../../../etc/passwd",
    "'; DROP TABLE runs; --",
    "<b>%{x}</b><br>plotly",
    f'<a href="{FETCH}">plotly link</a>',
    "a" * 3000,
    "\ufeff\ufffe\U0001f4a9 o\u0302\u0302\u0302\u0302",
    "null undefined NaN [object Object]",
    json.dumps({"__proto__": {"pwned": 1}}),
]
PAYLOADS = [*HTML, *MARKDOWN, *OTHER]
HEADING = next(at for at, text in enumerate(PAYLOADS) if text.startswith("# "))


@pytest.fixture(scope="module")
def hostile(server):
    """A run, a data set and their texts, all of payloads."""
    store = server.store
    run = screen_material.add_run(store, "hostile", updates=6)
    store.samples.truncate(run.id, after_step=-1)
    for step in (0, 6):
        rows = [
            Sample(
                step,
                "heldout",
                item,
                "prompt",
                text,
                text,
                offline=text,
                score=0.1,
                kl=0.1,
                response_tokens=3,
            )
            for item, text in enumerate(PAYLOADS)
        ]
        store.samples.append(run.id, rows)
    for text in PAYLOADS:
        kinds = {"note": {}, "setting": {"name": text, "old": text, "new": text}, "error": {}}
        for kind, payload in kinds.items():
            store.events.add(run.id, 3, kind, text, payload, text[:60])
    names = [screen_material.add_run(store, "x", updates=2).id for _ in range(6)]
    for at, other in enumerate(names):
        text = " ".join(PAYLOADS[at * 10 : at * 10 + 10])[:190]
        store.runs.change(other, name=text, tags=[one[:28] for one in PAYLOADS[at : at + 10]])
    store.runs.change(
        run.id, name=f"{HTML[1]} {MARKDOWN[0]} {HTML[13]}", status="failed", error=HTML[1]
    )
    return run.id, names


def test_there_are_sixty():
    assert len(set(PAYLOADS)) == 60


SCREENS = ("", "live", "overview", "report", "resets", "compare", "data", "review", "playground")


@pytest.mark.parametrize("screen", SCREENS)
def test_no_payload_fetches_runs_or_becomes_part_of_the_page(screen, hostile, server, open_page):
    run, others = hostile
    asked = f"runs={','.join([run, *others[:4]])}" if screen == "compare" else f"run={run}"
    # Drawn as Markdown where a screen has the switch: even then nothing gets an address.
    asked += "&markdown=1"
    if screen == "live":
        # Cards come eight a page; this page has the heading.
        asked += f"&answers_page={1 + HEADING // 8}"
    page = open_page(f"/{screen}?{asked}")
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.wait_for_selector("[data-testid='stApp'][data-test-script-state='notRunning']")
    time.sleep(1)
    if screen == "live":
        page.get_by_text(HTML[1]).first.wait_for()  # shown, as text
        page.locator(".answers .md.heading").first.wait_for(state="attached")
    assert page.evaluate("() => window.pwned") is None
    assert page.locator("#evil, [onerror], [onload], [ontoggle], [onfocus], base").count() == 0
    assert page.locator("[src*='evil.example'], [href*='evil.example']").count() == 0
    assert page.locator("a[href^='javascript:']").count() == 0
    assert page.get_by_role("heading", name="A heading of somebody's").count() == 0
    assert dialogs == []
    assert page.foreign == []
    assert page.failures == []
    assert page.url.startswith(server.url)


def test_no_payload_in_an_address_does(hostile, open_page):
    run, _ = hostile
    for start in range(0, len(PAYLOADS), 20):
        part = PAYLOADS[start : start + 20]
        keys = ("view", "kind", "step", "beside", "from", "lang", "item", "find")
        query = "&".join(f"{keys[at % 8]}={quote(text[:300])}" for at, text in enumerate(part))
        page = open_page(f"/live?run={run}&{query}")
        page.wait_for_selector("[data-testid='stApp'][data-test-script-state='notRunning']")
        assert page.evaluate("() => window.pwned") is None
        assert page.foreign == []
        assert page.failures == []
