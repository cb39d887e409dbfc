"""The reset view holds resets against prompt starts and the data, in reward, gold and KL."""

import pytest
import screen_material
from episodes import EPISODES, episode
from screens import problems, visit
from series import numbers

from drpo.charts import reset_charts
from drpo.config.run_config import RunConfig
from drpo.dashboard.screens.resets import groups, view
from drpo.types import Sample


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


def test_episodes_are_ordered_and_unknown_values_come_last():
    low, high, none = episode(score=1.0, own=0.9), episode(score=0.5, own=0.0), episode(score=None)
    assert view.ordered([low, none, high], "gain") == [high, low, none]
    assert view.ordered([low, none, high], "score") == [low, high, none]
    assert view.ordered([low, none, high], "drawn") == [low, none, high]


def continuation(item, start, score, prefix=""):
    made = episode(start=start, score=score)
    made.item, made.prefix = item, prefix
    return made


TOGETHER = [
    continuation(3, "reset", 1.0, "a"),
    continuation(3, "reset", 2.0, "a"),
    continuation(5, "prompt", 0.5),
    continuation(5, "prompt", 0.5),
    continuation(5, "prompt", 4.0),  # the same prompt, drawn for the next group too
    continuation(5, "prompt", 0.0),
]


def test_continuations_of_one_start_are_a_group_and_the_next_group_is_another():
    found = groups.groups_of(TOGETHER, 2)
    assert [[e.score for e in group] for group in found] == [[1.0, 2.0], [0.5, 0.5], [4.0, 0.0]]


def test_the_cards_stand_in_the_order_of_the_chart():
    ranked = groups.hardest_first(groups.groups_of(TOGETHER, 2), "score")
    assert [[e.score for e in group] for group in ranked] == [[0.5, 0.5], [1.0, 2.0], [4.0, 0.0]]


def test_a_group_that_scored_alike_has_a_ring_and_the_hardest_stand_on_the_left():
    figure = reset_charts.group_ranges(groups.groups_of(TOGETHER, 2), "score")
    lines, members, rings = figure["data"]
    assert lines["y"] == [0.5, 0.5, None, 1.0, 2.0, None, 0.0, 4.0, None]
    assert len(numbers(members["x"])) == 6
    assert (numbers(rings["x"]).tolist(), numbers(rings["y"]).tolist()) == ([1.0], [0.5])


def test_a_run_with_groups_shows_their_continuations_side_by_side(store):
    config = RunConfig.of(
        data="d", policy="p", advantage="rloo", group_size=2, episodes_per_update=4
    )
    run = store.runs.create(config)
    drawn = [
        Sample(1, "episode", item, "reset", "Sum it up.", f" end {n}", "The start", score=float(n))
        for item in (0, 1)
        for n in range(2)
    ]
    store.samples.append(run.id, drawn)
    app = visit("resets", run=run.id)
    assert problems(app) == []
    assert "Groups: continuations of one start" in [e.value for e in app.subheader]
