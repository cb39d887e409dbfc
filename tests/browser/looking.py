"""What a person looking at a screen would complain about, found in the page as the browser drew it.

Each check returns what it found, so that a test can show it. Known exceptions stand here, in one
place, each with its reason.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from PIL import Image

from drpo.charts.palette import COLOURS

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]

AXE_EXCEPTIONS = (
    # Streamlit's sidebar puts its sections' headings between list items.
    "stSidebarNav",
    # The sparkline of Streamlit's own metric is an image without a name.
    "stMetricChart",
)
CUT_EXCEPTIONS = (
    # Streamlit shortens what is chosen in a box that is too narrow; opening the box shows it whole.
    "[data-baseweb='select'], [data-testid='stMultiSelect']",
    # Long prompts and answers begin with a few lines and a button that shows the rest.
    ".fold:not(.open):has(> .more:not([hidden])) > .text",
    # Streamlit shortens the list of file types; the help beside it names them all.
    "[data-testid='stFileUploaderDropzoneInstructions']",
)
STREAMLITS_ENGLISH = (
    # Streamlit's own words, which it has in English only.
    "Press Enter to apply",
    "Press Enter to submit form",
    "Drag and drop file here",
    "Drag and drop files here",
    "Browse files",
    "Upload",
    "Limit",
    "per file",
    "Select all",
    "Choose an option",
    "Choose options",
    "No results",
    "Made with Streamlit",
)

ENGLISH = re.compile(r"[A-Za-z]{2,}[,;:]? [a-z]{2,}")
"""Two words one after the other, the second in small letters: names and units are not meant."""

COMMAND = re.compile(r"\bdrpo [a-z]+")
"""What is typed at the command line is the same in every language."""
JAPANESE = re.compile("[\u3040-\u30ff]")

STABLE = """() => {
  const deep = (root, found = []) => {
    for (const node of root.querySelectorAll('*')) {
      found.push(node)
      if (node.shadowRoot) deep(node.shadowRoot, found)
    }
    return found
  }
  const nodes = deep(document)
  // A chart in a closed tab waits until somebody opens it.
  if (nodes.some(n => n.classList?.contains('drpo-waiting') && n.offsetWidth)) return ''
  if (nodes.some(n => n.dataset?.testid === 'stSkeleton' || n.dataset?.testid === 'stSpinner'))
    return ''
  const stale = nodes.some(n => n.dataset?.stale === 'true')
  const main = document.querySelector("[data-testid='stMain']")
  return !main || stale ? '' : `${nodes.length}/${main.scrollHeight}/${main.scrollWidth}`
}"""

DEEP = """
  const hostOf = (node) => node.parentElement ?? node.getRootNode()?.host ?? null
  const texts = (root, found = []) => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT)
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (node.nodeType === 3) { if (node.textContent.trim()) found.push(node) }
      else if (node.shadowRoot) texts(node.shadowRoot, found)
    }
    return found
  }
  // On a phone the sidebar is folded away.
  const roots = "[data-testid='stMain'], [data-testid='stSidebar'][aria-expanded=true]"
  const shown = () => [...document.querySelectorAll(roots)].flatMap(root => texts(root))
  const inside = (node, selector) => {
    for (let up = node.parentElement; up; up = hostOf(up)) if (up.matches(selector)) return true
    return false
  }
  const hidden = (node) => {
    for (let up = node.parentElement; up; up = hostOf(up)) {
      const style = getComputedStyle(up)
      if (style.visibility === 'hidden' || style.display === 'none' || style.opacity === '0')
        return true
      // Text for screen readers only: a box of a pixel, or clipped away altogether.
      const box = up.getBoundingClientRect()
      if (style.position === 'absolute' && box.width <= 1.5 && box.height <= 1.5) return true
      if (/^(style|script|noscript|title)$/i.test(up.tagName)) return true
    }
    return false
  }
"""

CUT = (
    """(exceptions) => {"""
    + DEEP
    + """
  const found = []
  for (const node of shown()) {
    if (hidden(node) || inside(node, 'canvas') || inside(node, exceptions)) continue
    const range = document.createRange()
    range.selectNodeContents(node)
    const rects = [...range.getClientRects()].filter(r => r.width > 0 && r.height > 0)
    if (!rects.length) continue
    const left = Math.min(...rects.map(r => r.left)), right = Math.max(...rects.map(r => r.right))
    const top = Math.min(...rects.map(r => r.top)), bottom = Math.max(...rects.map(r => r.bottom))
    let [across, down] = [true, true]
    for (let up = node.parentElement; up && (across || down); up = hostOf(up)) {
      const style = getComputedStyle(up)
      const box = up.getBoundingClientRect()
      if (/auto|scroll/.test(style.overflowX)) across = false
      if (/auto|scroll/.test(style.overflowY)) down = false
      const cut = /hidden|clip/
      // A space at a line's end hangs over the edge, and nobody misses it.
      if (across && cut.test(style.overflowX) && (right > box.right + 6 || left < box.left - 6)
          || down && cut.test(style.overflowY) && (bottom > box.bottom + 3 || top < box.top - 3)) {
        found.push(`${node.textContent.trim().slice(0, 60)} (in ${up.tagName.toLowerCase()}` +
          ` ${up.getAttribute('data-testid') ?? up.getAttribute('class') ?? ''})`)
        break
      }
    }
  }
  return [...new Set(found)]
}"""
)

TEXTS = (
    """() => {"""
    + DEEP
    + """
  // A table is drawn on a canvas; what it says stands beside it for screen readers.
  const found = shown()
    .filter(node => inside(node, 'canvas') || !hidden(node))
    // What is said in the other language on purpose says so.
    .filter(node => !inside(node, "code, textarea, :not(html)[lang=en]"))
    .map(node => node.textContent.trim())
  return [...new Set(found)]
}"""
)


def wait_until_said(page):
    """Wait until the server has said all it has to say: an empty page stands still too."""
    page.wait_for_function(
        "() => document.querySelector(\"[data-testid='stMain']\")?.innerText.trim()"
    )
    page.wait_for_selector("[data-test-script-state='notRunning']")


def wait_until_drawn(page):
    """Wait until nothing is being computed and the page has stood still for a moment."""
    before, still = "", 0
    until = time.monotonic() + 90
    while still < 3:
        assert time.monotonic() < until, "the screen never came to rest"
        page.wait_for_timeout(200)
        now = page.evaluate(STABLE)
        still = still + 1 if now and now == before else 0
        before = now


def barriers(page):
    """What axe finds, by rule; Streamlit's own faults left out."""
    # On a busy machine Streamlit fades what it is about to draw again; that is no colour of ours.
    page.add_style_tag(
        content="[data-stale='true'] { opacity: 1 !important; transition: none !important }"
    )
    found = Axe().run(page, options={"runOnly": RULES})
    return {
        violation["id"]: nodes
        for violation in found.response["violations"]
        if (nodes := [n["html"][:160] for n in violation["nodes"] if not excepted(n)])
    }


def excepted(node):
    place = " ".join(map(str, node["target"])) + node["html"]
    return any(word in place for word in AXE_EXCEPTIONS) or node["html"].startswith(
        '<li class="st-emotion-cache'  # the sidebar's list items, see above
    )


def cut_texts(page):
    """Texts of which a part cannot be seen."""
    return page.evaluate(CUT, ", ".join(CUT_EXCEPTIONS))


def too_wide(page):
    """By how many pixels the screen is wider than the window."""
    whole = page.evaluate("document.scrollingElement.scrollWidth") - page.viewport_size["width"]
    inner = page.get_by_test_id("stMain").evaluate("node => node.scrollWidth - node.clientWidth")
    return max(whole, inner, 0)


def english_left(page, data):
    """Sentences in English on a Japanese screen that are neither data nor Streamlit's own.

    Args:
        page: The screen.
        data: Texts that people or policies wrote; they stay as they are.
    """
    known = [text for text in (*data, *STREAMLITS_ENGLISH) if text.strip()]
    said = page.evaluate(TEXTS)
    # Without this a mistake in what is looked at would look like a screen without faults.
    assert any(JAPANESE.search(text) for text in said), said
    found = []
    for text in said:
        left = COMMAND.sub("", text)
        for part in known:
            left = left.replace(part.strip(), "")
        if ENGLISH.search(left) and not any(text in part for part in data):
            found.append(text[:120])
    return found


def wear(page, scheme, width, height):
    """Show the screen in another width or theme, as if the window were changed."""
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": height})
    paper = COLOURS[scheme]["paper"]
    page.wait_for_function(
        "paper => document.documentElement.style.getPropertyValue('--drpo-paper') == paper",
        arg=paper,
    )
    wait_until_drawn(page)


def keep_picture(page, path: Path):
    """Keep a picture of the filled part of the screen, small enough to be kept with the code."""
    content = page.get_by_test_id("stMainBlockContainer").evaluate(
        "node => node.getBoundingClientRect().bottom"
    )
    window = page.viewport_size
    height = min(max(int(content), 700), window["height"])
    raw = path.with_suffix(".png")
    page.screenshot(path=raw, clip={"x": 0, "y": 0, "width": window["width"], "height": height})
    with Image.open(raw) as picture:
        picture.convert("RGB").save(path, quality=66, method=6)
    raw.unlink()
