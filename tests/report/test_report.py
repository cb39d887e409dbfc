"""A report is one file: the same from wherever it is asked, whole, offline, and only text."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from executive_material import HOSTILE, add_run

from drpo import report
from drpo.alarms.alarms import Alarm
from drpo.cli import main
from drpo.data.library.versions import save_version
from drpo.data.pairs import Pair
from drpo.errors import RunError
from drpo.report import build
from drpo.report.markdown import esc, fenced
from drpo.store import Store
from drpo.types import Sample


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DRPO_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def store(home):
    opened = Store(f"sqlite:///{home / 'drpo.sqlite'}")
    yield opened
    opened.close()


@pytest.fixture
def run(store):
    """A run with everything in it: a changed setting, an alarm, a reset episode, a gold score."""
    made = add_run(
        store,
        f"first {HOSTILE}",
        gold=[1.0, 1.0, 1.0, -1.0],
        scores=[2.0],
        kl_coef=0.3,
        data="/somewhere/private/pairs.jsonl",
    )
    turned = {"name": "kl_coef", "old": 0.3, "new": 0.45}
    store.events.add(made.id, 4, "setting", "kl_coef from 0.30 to 0.45", turned, "Ada")
    alarm = Alarm("kl_budget", 5, 8, 2, {"kl": 26.0, "budget": 25.0})
    store.events.add(made.id, 8, "alarm", alarm.message, alarm.to_payload(), "monitor")
    episode = Sample(
        step=10,
        kind="episode",
        item=3,
        start="reset",
        prompt="an episode's prompt",
        prefix=" taken from the data",
        response=" and the policy went on",
        offline=" taken",
        prefix_tokens=4,
        offline_tokens=9,
        gold=5.0,
        score=1.0,
        kl=0.2,
    )
    store.samples.append(made.id, [episode])
    return store.runs.get(made.id)


class Page(HTMLParser):
    """What a browser would make of a report: tags, text outside scripts, script contents."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self._inside: tuple[str, dict[str, str | None]] | None = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside = (tag, dict(attrs))

    def handle_endtag(self, tag):
        if self._inside and tag == self._inside[0]:
            self._inside = None

    def handle_data(self, data):
        if self._inside is None:
            self.words.append(data)
        elif self._inside[0] == "script":
            self.scripts.append((self._inside[1], data))

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def data(self, name: str):
        return json.loads(next(body for attrs, body in self.scripts if attrs.get("id") == name))


def page_of(store, *run_ids, **how) -> Page:
    return Page(build(store, list(run_ids), **how).decode())


def test_the_report_has_every_part(store, run):
    text = page_of(store, run.id).text
    for part in (
        "Preferred to the start policy in 75 % of 40 comparisons",  # verdict, thin space
        "開始時の方策との比較 40 件のうち",
        "True reward",
        "What the reward was bought with",
        "Where episodes were reset",
        "taken from the data",
        "and the policy went on",
        "pairs.jsonl",
        "kl_coef from 0.30 to 0.45",
        "Ada",
        "KL over budget",
        "2.13.0",
        "hash10",
        "640 episodes",
    ):
        assert part.replace(" %", "\N{NARROW NO-BREAK SPACE}%") in text or part in text, part


def test_the_count_of_updates_is_left_out_where_a_method_makes_none(store):
    tuned, trained = add_run(store, gold=[1.0], method="sft"), add_run(store, gold=[1.0])
    assert "· Finished ·" in page_of(store, tuned.id).text
    assert "Finished after 10 of 10 updates" in page_of(store, trained.id).text


def saved(store, name, rows):
    """A saved version whose report says that it suits DR-PO."""
    pairs = [Pair(f"prompt {row}", " yes", " no") for row in range(rows)]
    return save_version(store, pairs, name, report={"verdict": {"level": "fit"}})


def test_a_run_on_a_numbered_version_is_told_with_that_versions_report(store):
    first, second = saved(store, "mine", 3), saved(store, "mine", 5)
    for named, version in (
        ("mine:1", first),
        (first.id, first),
        ("mine:2", second),
        (second.id, second),
    ):
        text = page_of(store, add_run(store, gold=[1.0], data=named).id).text
        assert f"mine, version {version.version}" in text
        assert version.content_hash in text
        assert "The data are fit for DR-PO." in text


def test_a_bare_name_is_the_version_that_was_newest_when_the_run_was_made(store):
    early = add_run(store, gold=[1.0], data="mine")
    first = saved(store, "mine", 3)
    run = add_run(store, gold=[1.0], data="mine")
    saved(store, "mine", 5)
    text = page_of(store, run.id).text
    assert "mine, version 1" in text
    assert first.content_hash in text
    assert "version" not in section(store, early, name="data")


def test_a_comparison_tells_each_version_of_its_data_once_however_it_is_named(store):
    first = saved(store, "mine", 3)
    runs = [add_run(store, gold=[1.0], data=named) for named in ("mine", "mine:1", first.id)]
    assert section(store, *runs, name="data").count("mine, version 1") == 1
    saved(store, "mine", 5)
    later = add_run(store, gold=[1.0], data="mine")
    told = section(store, runs[0], later, name="data")
    assert (told.count("mine, version 1"), told.count("mine, version 2")) == (1, 1)


def section(store, *runs, name):
    """One section of a report, as it is written."""
    page = build(store, [run.id for run in runs]).decode()
    return page.partition(f'<h2 id="{name}">')[2].partition("<h2")[0]


def test_curves_and_frontier_are_drawn_from_the_runs_own_figures(store, run):
    figures = page_of(store, run.id).data("figures")
    assert len(figures) >= 4
    named = {trace.get("name", "") for figure in figures for trace in figure["data"]}
    assert any("held-out" in name for name in named)
    marks = [a["text"] for figure in figures for a in figure["layout"]["annotations"]]
    assert any("kl_coef" in mark for mark in marks)


def test_the_reset_prefix_is_marked_apart_from_what_the_policy_wrote(store, run):
    text = build(store, [run.id]).decode()
    found = re.search(
        r'<p class="prefix"><span class="label">[^<]+</span>taken from the data</p>'
        r'<p class="wrote">and the policy went on</p>',
        text,
    )
    assert found


def test_text_of_unknown_origin_stays_text(store, run):
    page = page_of(store, run.id)
    assert HOSTILE in page.text
    assert not [attrs for tag, attrs in page.tags if tag == "img"]
    assert not [attrs for tag, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert {tag for tag, _ in page.tags} & {"iframe", "object", "link", "base", "form"} == set()


def test_nothing_is_fetched_and_no_folder_of_the_machine_is_told(store, run):
    text = build(store, [run.id]).decode()
    page = Page(text)
    sources = [attrs.get("src") or attrs.get("href") or "" for _, attrs in page.tags]
    assert all(source == "" or source.startswith("#") for source in sources)
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    assert "connect-src" not in policy
    assert "/somewhere/private" not in text


def test_the_same_run_gives_the_same_bytes(store, run):
    assert build(store, [run.id]) == build(store, [run.id])
    assert build(store, [run.id], lang="ja") == build(store, [run.id], lang="ja")


def test_the_file_weighs_under_six_megabytes_with_long_answers(store):
    run = add_run(store, gold=[1.0], scores=[1.0], prompts=200)
    assert len(build(store, [run.id])) < 6_000_000


def test_each_language_is_whole(store, run):
    japanese = page_of(store, run.id, lang="ja")
    assert ("html", {"lang": "ja"}) in japanese.tags
    headings = re.findall(
        r'<h2 id="[a-z]+">([^<]+)</h2>', build(store, [run.id], lang="ja").decode()
    )
    assert len(headings) == 9
    # Names such as KL are the same in both languages; a heading of theirs alone is not.
    assert all(re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", heading) for heading in headings)
    assert "判定" in japanese.text
    assert "KL が上限を超えました" in japanese.text


def test_the_command_line_writes_the_same_file(store, run, home, capsys):
    target = home / "out.html"
    with pytest.raises(SystemExit) as left:
        main(["report", run.id, str(target), "--json"])
    assert left.value.code == 0
    assert target.read_bytes() == build(store, [run.id])
    document = json.loads(capsys.readouterr().out)
    assert document["runs"] == [run.id]
    assert document["bytes"] == target.stat().st_size
    assert [path.name for path in home.iterdir() if path.name.startswith(".out")] == []


def test_another_process_writes_the_same_bytes(store, run, home):
    target = home / "out.html"
    subprocess.run(
        [sys.executable, "-m", "drpo", "report", run.id, str(target), "--lang", "ja"],
        check=True,
        capture_output=True,
    )
    assert target.read_bytes() == build(store, [run.id], lang="ja")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["report", "out.html"], "one or more runs and then a file"),
        (["report", "RUN", "out.pdf"], "written as .html or .md"),
        (["report", "nobody", "out.html"], "No run 'nobody'"),
        (["report", "RUN", "no/such/folder/out.html"], "could not be written"),
    ],
)
def test_a_wrong_request_is_one_sentence(run, words, said, capsys, monkeypatch, home):
    monkeypatch.chdir(home)
    asked = [run.id if word == "RUN" else word for word in words]
    with pytest.raises(SystemExit) as left:
        main(asked)
    assert left.value.code == 1
    assert said in capsys.readouterr().err
    assert not list(home.glob("*.html"))


def test_a_comparison_holds_the_others_against_the_first(store, run):
    other = add_run(store, "second", gold=[2.0], scores=[1.0], kl_coef=0.1)
    page = page_of(store, run.id, other.id)
    assert "second preferred to first" in page.text
    assert "kl_coef" in page.text
    assert "reset_prob" not in page.text
    assert len(page.data("figures")) == 4


def test_runs_of_one_name_are_told_apart(store):
    runs = [add_run(store, "same", gold=[1.0], scores=[1.0]) for _ in range(2)]
    for run in runs:
        alarm = Alarm("kl_budget", 5, 8, 2, {"kl": 26.0, "budget": 25.0})
        store.events.add(run.id, 8, "alarm", alarm.message, alarm.to_payload(), "monitor")
    for name in ("verdict", "alarms", "versions"):
        told = section(store, *runs, name=name)
        assert all(f"same ({run.id[-6:]})" in told for run in runs), name


def test_runs_with_and_without_gold_can_be_compared(store, run):
    plain = add_run(store, "no gold", scores=[1.0])
    assert "no gold preferred to first" in page_of(store, run.id, plain.id).text


def test_a_run_that_failed_at_once_still_has_a_report(store):
    run = add_run(store, "broken", status="failed", prompts=1)
    store.samples.truncate(run.id, after_step=-1)
    store.metrics.truncate(run.id, after_step=-1)
    store.runs.change(run.id, summary={}, step=0, error="The file has no rows.")
    page = page_of(store, run.id)
    assert "Nothing to compare yet" in page.text
    assert "The file has no rows." in page.text
    assert "Nothing was measured." in page.text


def test_none_too_many_or_twice_the_same_run_is_refused(store, run):
    for asked in ([], [run.id, run.id], [str(n) for n in range(7)]):
        with pytest.raises(RunError, match="1 to 6 different runs"):
            build(store, asked)


def test_markdown_says_the_same_and_quotes_hostile_text(store, run):
    text = build(store, [run.id], kind="md").decode()
    assert "## Verdict" in text
    assert "| 10 |" in text
    outside = re.sub(r"(?ms)^(`{3,})text$.*?^\1$", "", text)
    assert "<img" not in outside.replace("\\<img", "")
    assert "](http" not in outside.replace("\\](http", "").replace("\\]\\(http", "")


def test_markdown_signs_are_escaped_only_where_they_mean_something():
    assert esc("a-b (c) 1.5 x") == "a-b (c) 1.5 x"
    assert esc("- a") == "\\- a"
    assert esc("1. a") == "1\\. a"
    assert esc("![x](http://e.org)") == "!\\[x\\](http\\://e.org)"
    assert esc("a | b\nc") == "a \\| b c"


def test_a_fence_is_longer_than_any_run_of_backticks_in_it():
    lines = fenced("a ```` b")
    assert lines[0] == "`````text"
    assert lines[2] == "`````"


def test_file_names_come_from_ids_not_from_names(run):
    name = report.file_name([run.id, "other"], "html")
    assert re.fullmatch(r"[a-z0-9.-]+", name)
