"""The reset view holds resets against prompt starts and the data, in reward, gold and KL."""

import pytest
import screen_material
from screens import problems, visit
from series import Run, numbers

from drpo.charts import reset_charts, run_charts
from drpo.config.run_config import RunConfig
from drpo.dashboard.screens.resets import view
from drpo.store.schema import SampleRow
from drpo.types import Sample


def episode(start, *, score=None, gold=None, kl=None, own=None, own_gold=None):
    return SampleRow(
        kind="episode",
        start=start,
        prefix_tokens=5 if start == "reset" else 0,
        offline_tokens=20,
        score=score,
        gold=gold,
        kl=kl,
        offline_score=own,
        offline_gold=own_gold,
        prompt="p",
        response="r",
    )


EPISODES = [
    episode("reset", score=1.0, gold=4.0, kl=0.5, own=0.25, own_gold=6.0),
    episode("reset", score=2.0, gold=5.0, kl=1.5, own=0.75, own_gold=7.0),
    episode("prompt", score=0.5, gold=3.0, kl=2.5),
]


@pytest.mark.parametrize(
    ("value", "mean", "beside"),
    [
        ("score", "1.50", "from the prompt 0.50 · data 0.50"),
        ("gold", "4.50", "from the prompt 3.00 · data 6.50"),
        ("kl", "1.00", "from the prompt 2.50"),
    ],
)
def test_what_comes_of_a_reset_is_held_against_prompt_starts_and_the_data(value, mean, beside):
    assert view.after_reset(EPISODES, value) == (mean, beside)


def test_an_update_without_prompt_starts_or_resets_has_nothing_to_hold_against():
    assert view.after_reset(EPISODES[:2], "kl") == ("1.00", None)
    assert view.after_reset(EPISODES[2:], "kl") == ("–", "from the prompt 2.50")


@pytest.mark.parametrize(
    ("value", "dots", "rings", "mean", "colour"),
    [
        ("score", [1.0, 2.0, 0.5], [0.25, 0.75], 0.5, "@learned"),
        ("gold", [4.0, 5.0, 3.0], [6.0, 7.0], 3.0, "@gold"),
        ("kl", [0.5, 1.5, 2.5], None, 2.5, "@kl"),
    ],
)
def test_the_points_of_an_update_show_the_value_asked_for(value, dots, rings, mean, colour):
    figure = reset_charts.spread(EPISODES, value)
    traces = figure["data"]
    assert numbers(traces[0]["y"]).tolist() == dots
    assert traces[0]["marker"]["color"] == colour
    shown = [numbers(trace["y"]).tolist() for trace in traces[1:-1]]
    assert shown == ([] if rings is None else [rings])
    assert traces[-1]["y"] == [mean, mean]
    unit = "nats per answer" if value == "kl" else "score"
    assert unit in figure["layout"]["annotations"][0]["text"]


def curves(**values):
    """A run's training metrics by start."""
    return Run(
        **{
            f"objective/{name}{start}": [(1, value), (2, value)]
            for name, value in values.items()
            for start in ("_reset", "_prompt")
        }
    )


def headings(figure):
    notes = [note["text"] for note in figure["layout"]["annotations"]]
    return [text.split("<b>")[1].split("</b>")[0] for text in notes if "<b>" in text]


def test_live_splits_gold_by_start_as_well_where_it_is_known():
    known = run_charts.by_start(curves(scores=1.0, gold=4.0, kl=0.5))
    assert headings(known) == ["Learned reward", "True (gold) reward", "KL to the start policy"]
    assert [(trace["yaxis"], numbers(trace["y"])[0]) for trace in known["data"]] == [
        ("y", 1.0),
        ("y", 1.0),
        ("y2", 4.0),
        ("y2", 4.0),
        ("y3", 0.5),
        ("y3", 0.5),
    ]
    unknown = run_charts.by_start(curves(scores=1.0, kl=0.5))
    assert headings(unknown) == ["Learned reward", "KL to the start policy"]
    assert {trace["yaxis"] for trace in unknown["data"]} == {"y", "y2"}


def test_live_splits_no_learned_reward_of_a_run_that_was_trained_on_gold():
    run = curves(scores=4.0, gold=4.0, kl=0.5)
    whole = Run(
        **{
            name: [(0, 4.0)]
            for name in ("eval/scores", "eval/gold", "objective/scores", "objective/gold")
        }
    )
    run.series |= whole.series
    assert headings(run_charts.by_start(run)) == ["True (gold) reward", "KL to the start policy"]


def labels(app):
    return [metric.label for metric in app.metric]


def test_the_screen_compares_and_draws_gold_and_kl_too_and_a_link_says_which(store):
    run = screen_material.add_run(store, "mine", updates=5)
    app = visit("resets", run=run.id)
    assert problems(app) == []
    assert labels(app) == [
        "Episodes that were reset",
        "Learned reward after a reset",
        "True reward after a reset",
        "KL after a reset (nats)",
    ]
    app.segmented_control(key="spread_of").set_value("kl").run()
    assert problems(app) == []
    assert app.query_params["spread_of"] == "kl"
    again = visit("resets", run=run.id, spread_of="kl")
    assert again.segmented_control(key="spread_of").value == "kl"


def test_a_run_trained_on_gold_shows_no_learned_reward(store):
    config = RunConfig.of(data="d", policy="p", reward_source="gold")
    run = store.runs.create(config)
    store.runs.change(run.id, status="finished")
    rows = [
        Sample(
            step=1,
            kind="episode",
            item=item,
            start=start,
            prompt="p",
            response="r",
            prefix_tokens=5,
            offline_tokens=20,
            score=3.0,
            gold=4.0,
            kl=0.5,
            offline_score=6.0,
            offline_gold=7.0,
        )
        for item, start in enumerate(["reset", "prompt"])
    ]
    store.samples.append(run.id, rows)
    app = visit("resets", run=run.id)
    assert problems(app) == []
    assert not any("Learned" in label for label in labels(app))
    assert app.segmented_control(key="colour").options == ["true (gold) reward", "KL"]
    [table] = app.dataframe
    assert "score" not in table.value
    assert table.value["own"].tolist() == [7.0, 7.0]


def test_the_page_of_episodes_is_in_the_link(store):
    run = screen_material.add_run(store, "mine", updates=1)
    store.samples.append(
        run.id,
        [
            Sample(
                step=2, kind="episode", item=item, start="prompt", prompt="p", response=f"no {item}"
            )
            for item in range(20)
        ],
    )
    app = visit("resets", run=run.id, step="2", episodes_page="3")
    assert problems(app) == []
    assert app.session_state["episodes_page"] == 3
    # Past the last page: the link was made of a longer list.
    again = visit("resets", run=run.id, step="2", episodes_page="9")
    assert problems(again) == []
    assert again.session_state["episodes_page"] == 1
