"""What people did to a run stands on its curves: with who and when, and readable in a crowd."""

import pytest
import screen_material

from drpo.alarms import Alarm
from drpo.alarms.handler import alarms_of, decide, write_down
from drpo.charts import figures
from drpo.charts.annotations import ROWS, Annotation, add_annotations, annotations_of
from drpo.charts.figures import Panel
from drpo.i18n import spoken
from drpo.store.schema import EventRow

NOON = 1_795_435_200.0  # 2026-11-23 12:00 UTC


def event(kind, step=12, *, who="", message="", **payload):
    return EventRow(
        id=1,
        run_id="r",
        step=step,
        kind=kind,
        message=message,
        payload=payload,
        who=who,
        created_at=NOON,
    )


def drawn(annotations, until=30):
    """The chart's layout with these annotations, and the notes that label them."""
    figure = figures.panels([Panel("a", "", [])], x_title="x", annotations=annotations, until=until)
    layout = figure["layout"]
    return layout, [note for note in layout["annotations"] if note.get("name") == "mark"]


def test_an_annotation_says_who_and_when_under_the_pointer_and_a_short_name_in_its_label():
    [annotation] = annotations_of([event("setting", who="Ann", name="kl_coef", old=0.2, new=0.3)])
    _, [note] = drawn([annotation])
    assert note["text"] == "kl_coef → 0.30 · Ann"
    assert note["hovertext"] == "kl_coef from 0.20 to 0.30<br>Ann · 2026-11-23 12:00 UTC"


def test_a_long_name_is_under_the_pointer_only():
    who = "ann.with.a.long.name@example.org"
    _, [note] = drawn(annotations_of([event("pause", who=who)]))
    assert note["text"] == "paused"
    assert who in note["hovertext"]


@pytest.mark.parametrize(
    ("lang", "label"), [("en", "stopped · command line"), ("ja", "停止 · コマンドライン")]
)
def test_a_stop_is_marked_in_the_visitors_language(lang, label):
    with spoken(lang):
        _, [note] = drawn(annotations_of([event("stop", who="command line")]))
    assert note["text"] == label


def test_a_decision_about_an_alarm_is_marked_with_what_was_decided(store):
    run = screen_material.add_run(store, "mine", updates=10)
    write_down(store, run.id, Alarm("kl_budget", 5, 10, 6, {"kl": 26.3, "budget": 25.0}))
    decide(store, run.id, alarms_of(store, run.id)[0].event_id, "ignore", who="Ann")
    _, notes = drawn(annotations_of(store.events.since(run.id)), until=10)
    assert [note["text"] for note in notes] == ["▲ alarm", "decided · Ann"]
    assert notes[0]["hovertext"].startswith("KL over budget<br>20")
    assert notes[1]["hovertext"].startswith("KL over budget: Go on as it is<br>Ann · 20")
    assert notes[1]["hovertext"].endswith(" UTC")


def test_no_name_becomes_markup_on_a_chart():
    _, [note] = drawn(annotations_of([event("pause", who="<b>x</b>"), event("checkpoint")]))
    assert "<b>" not in note["text"] + note["hovertext"]
    assert "&lt;b&gt;x&lt;/b&gt;" in note["text"]


def test_a_crowd_at_one_step_keeps_few_lines_and_names_the_rest_under_the_pointer():
    crowd = [event("setting", name="kl_coef", old=n, new=n + 1.0, who="Ann") for n in range(9)]
    layout, notes = drawn(annotations_of([*crowd, event("stop", who="Bea")]))
    chart_label, _ = drawn([])
    assert len(notes) == ROWS
    assert len({note["yshift"] for note in notes}) == ROWS
    assert notes[-1]["text"] == "kl_coef → 4.00 · Ann +6"
    assert notes[-1]["hovertext"].count("kl_coef from") == 6
    assert notes[-1]["hovertext"].endswith("<br>+1")
    assert layout["margin"]["t"] - chart_label["margin"]["t"] == 15 * ROWS
    assert len(layout["shapes"]) == 10


def test_what_has_the_same_label_is_told_under_one_pointer():
    first = Annotation(10, "▲ alarm", "alarm", hover="one")
    layout = {"shapes": [], "annotations": [{"yshift": 0}], "margin": {"t": 0}}
    add_annotations(layout, [first, Annotation(10, "▲ alarm", "alarm", hover="two")], 30)
    assert [note.get("hovertext") for note in layout["annotations"]] == [None, "one<br>two"]
