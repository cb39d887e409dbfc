"""Where episodes started: the heat map of depths, and one update beside the data."""

import plotly.graph_objects as go
import pytest
from episodes import EPISODES, episode
from series import coloured, numbers

from drpo.charts import prompt_depths, reset_charts
from drpo.config.run_config import RunConfig
from drpo.types import Sample


def valid(figure):
    """Plotly's own check of every property; raises where one is unknown or of a wrong type."""
    return go.Figure(coloured(figure))


def test_the_heat_map_weighs_updates_by_their_episodes():
    # 80 updates in 40 columns: two a column. 3 episodes at 1 and 1 episode at 5 make 2.
    rows = [(1, 4, 3, 1.0, None, 0.1), (2, 4, 1, 5.0, None, 0.1), (80, -1, 2, 7.0, None, 0.1)]
    figure = reset_charts.heatmap(reset_charts.depths(rows), "score")
    (trace,) = figure["data"]
    assert trace["x"][0] == "1–2"
    assert trace["x"][-1] == "79–80"
    assert trace["y"][0] == "prompt"
    assert trace["y"][5] == "40–50 %"
    assert trace["z"][5][0] == pytest.approx(2.0)
    assert trace["z"][0][-1] == pytest.approx(7.0)
    assert trace["z"][3][0] is None
    assert trace["customdata"][5][0] == 4
    valid(figure)


def test_a_value_that_no_row_knows_makes_an_empty_figure():
    rows = [(1, 4, 3, 1.0, None, 0.1)]
    assert reset_charts.heatmap(reset_charts.depths(rows), "gold")["data"] == []


def test_the_depth_of_a_prompt_start_is_nothing():
    assert reset_charts.share_given(episode(start="prompt", prefix=0)) == 0
    assert reset_charts.share_given(episode()) == 25
    assert reset_charts.share_given(episode(length=0)) == 0


def test_one_updates_episodes_are_drawn_beside_the_datas_own():
    episodes = [episode(score=1.0, own=0.5), episode(start="prompt", score=3.0, own=None)]
    figure = reset_charts.spread(episodes, "score")
    assert [trace["uid"] for trace in figure["data"]][-1] == "mean"
    assert figure["data"][-1]["y"] == [3.0, 3.0]
    valid(figure)
    valid(reset_charts.spread([], "score"))


def test_episodes_are_counted_by_depth_in_the_store(store):

    run = store.runs.create(RunConfig.of(data="d", policy="p"))

    def sample(start, prefix, length, score):
        return Sample(
            step=1,
            kind="episode",
            item=0,
            start=start,
            prompt="p",
            response="r",
            prefix_tokens=prefix,
            offline_tokens=length,
            score=score,
        )

    store.samples.append(
        run.id,
        [
            sample("prompt", 0, 0, 1.0),
            sample("prompt", 0, 20, 3.0),
            sample("reset", 0, 20, 5.0),
            sample("reset", 19, 20, 7.0),
        ],
    )
    found = {depth: (n, score) for _, depth, n, score, _, _ in store.samples.by_depth(run.id)}
    assert found == {-1: (2, 2.0), 0: (1, 5.0), 9: (1, 7.0)}


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


def test_depth_by_prompt_draws_the_middle_and_the_prompts_reset_most_often():
    rows = [
        (step, item, share) for step in (1, 2) for item, share in ((0, 0.2), (1, 0.4), (2, 0.9))
    ]
    rows.append((3, 7, 0.5))
    figure = prompt_depths.prompt_depths(rows)
    by_name = {trace["name"]: trace for trace in figure["data"]}
    assert by_name["the middle prompt"]["y"] == pytest.approx([40, 40, 50])
    assert {"prompt 0", "prompt 1", "prompt 2"} <= set(by_name)
    assert "prompt 7" not in by_name, "reset once: no line to draw"
    assert valid(figure)


def test_depth_by_prompt_is_read_from_the_store(store):
    run = store.runs.create(RunConfig.of(data="d", policy="p"))
    rows = [(1, 0, 5), (1, 0, 15), (1, 3, 19), (2, 0, 0)]
    store.samples.append(
        run.id,
        [
            Sample(
                step=step,
                kind="episode",
                item=item,
                start="reset",
                prompt="p",
                response="r",
                prefix_tokens=given,
                prefix_pieces=["a"] * given,
                offline_tokens=20,
            )
            for step, item, given in rows
        ],
    )
    assert store.samples.depth_by_prompt(run.id) == [(1, 0, 0.5), (1, 3, 0.95), (2, 0, 0.0)]
    assert store.samples.at(run.id, 2, "episode")[0].prefix_pieces == []
    assert store.samples.at(run.id, 1, "episode")[2].prefix_pieces == ["a"] * 19
