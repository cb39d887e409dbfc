"""What runs log is what is declared, and all of it is drawn: the sets are compared on real runs."""

import pytest
from runs import small_config, write_with_facts
from series import Run, numbers

from drpo import metrics
from drpo.analysis.metric_series import Feed
from drpo.charts import figures, metric_charts
from drpo.charts.annotations import Annotation
from drpo.runs import worker
from drpo.store import Store

NOT_LOGGED = {
    # Of the loss on given tokens and of curricula, which the runs below have none of.
    metrics.LOSS_HINT_AVG,
    metrics.RESET_NEEDED_SHARE,
    metrics.RESET_FAILED_PROMPTS,
    # Needs the chosen answers' text beside the policy's, which only `drpo eval` lays side by side.
    metrics.EVAL_ROUGE_L,
    metrics.error_of(metrics.EVAL_ROUGE_L),
    # Runs of 0.1.0 have them.
    metrics.SFT_ENTROPY,
    metrics.SFT_MEAN_TOKEN_ACCURACY,
    metrics.SFT_NUM_TOKENS,
    metrics.DPO_LOGITS_CHOSEN,
    metrics.DPO_LOGITS_REJECTED,
    metrics.DPO_ENTROPY,
    metrics.DPO_MEAN_TOKEN_ACCURACY,
    metrics.DPO_NUM_TOKENS,
}


@pytest.fixture(scope="module")
def feeds(tmp_path_factory, model_folder):
    """What runs logged that together carry out every stage, with a true score of their own."""
    folder = tmp_path_factory.mktemp("logged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRPO_HOME", str(folder))
        patch.delenv("DRPO_DATABASE_URL", raising=False)
        store = Store(f"sqlite:///{folder / 'drpo.sqlite'}")
        common = {
            "data": str(write_with_facts(folder / "facts.jsonl", 24)),
            "heldout": str(write_with_facts(folder / "apart.jsonl", 6, first=100)),
        }
        batches = {"sft_batch_size": 8, "rm_batch_size": 8, "dpo_batch_size": 8}
        yield [
            run_of(store, small_config(folder, model_folder("llama"), None, **common, **settings))
            for settings in (
                {"sft_epochs": 1.0, "updates": 2, "eval_every": 1, **batches},
                {"advantage": "rloo", "group_size": 2, "updates": 1},
                {"method": "dpo", **batches},
            )
        ]
        store.close()


def run_of(store, config):
    run = store.runs.create(config)
    assert worker.execute(run.id, store) == "finished", store.runs.get(run.id).error
    return Feed(store, run.id).refresh()


def drawn(feed):
    """The metrics whose own numbers are in a trace of the list of all metrics on Live."""
    found = set()
    for panel in metric_charts.metric_panels(feed.series):
        traces = metric_charts.metric_chart(feed, panel)["data"]
        lines = [numbers(trace["y"]).tolist() for trace in traces if not trace.get("fill")]
        bands = [numbers(trace["y"]).tolist() for trace in traces if trace.get("fill")]
        for name in panel.members:
            values = feed.get(name).values
            if values.tolist() in lines:
                found.add(name)
            elif metrics.of(name).part == "error":
                # A standard error is drawn as the band around its mean.
                top = feed.get(metrics.of(name).base).values + figures.Z95 * values
                found |= {name for band in bands if band[: len(values)] == top.tolist()}
    return found


def test_what_runs_log_is_what_is_declared(feeds):
    logged = {name for feed in feeds for name in feed.series}
    declared = {metric.name for metric in metrics.declared()}
    assert logged - declared == set()
    assert declared - logged == NOT_LOGGED


def test_what_runs_log_is_what_the_charts_draw(feeds):
    for feed in feeds:
        assert drawn(feed) == set(feed.series)


def test_every_metric_is_in_exactly_one_chart():
    names = [
        "objective/kl",
        "objective/kl_reset",
        "objective/kl_prompt",
        "eval/scores",
        "eval/scores_se",
        "lr",
        "reset/fraction",
        "lonely_se",
        "eval/only_reset",
    ]
    panels = metric_charts.metric_panels(names)
    members = [member for panel in panels for member in panel.members]
    assert sorted(members) == sorted(names)
    by_name = {panel.name: panel for panel in panels}
    assert by_name["objective/kl"].members == (
        "objective/kl",
        "objective/kl_prompt",
        "objective/kl_reset",
    )
    assert by_name["lr"].group == "progress"


def test_a_metric_chart_draws_each_of_its_members():
    names = ("objective/kl", "objective/kl_prompt", "objective/kl_reset")
    run = Run(**{name: [(1, 0.1), (2, 0.2)] for name in names})
    [panel] = metric_charts.metric_panels(names)
    figure = metric_charts.metric_chart(run, panel)
    assert len(figure["data"]) == 3
    assert {trace["line"]["color"] for trace in figure["data"]} == {"@kl", "@reset", "@start"}


def chart(series, **more):
    """The one chart of some metrics."""
    [panel] = metric_charts.metric_panels(series)
    return metric_charts.metric_chart(Run(**series), panel, **more)


def notes(figure):
    return " ".join(note["text"] for note in figure["layout"]["annotations"])


def test_values_of_0_or_less_stay_on_a_linear_axis_and_the_chart_says_so():
    for points in ([(1, -0.5), (2, 1.0)], [(1, 0.0), (2, 1.0)]):
        figure = chart({"loss/policy_avg": points}, log=True)
        assert figure["layout"]["yaxis"]["type"] == "linear"
        assert "not on a log axis" in notes(figure)
    # One member is enough: all share the axis.
    split = {"objective/kl": [(1, 1.0)], "objective/kl_reset": [(1, -0.1)]}
    assert chart(split, log=True)["layout"]["yaxis"]["type"] == "linear"
    figure = chart({"lr": [(1, 0.1), (2, 0.01)]}, log=True)
    assert figure["layout"]["yaxis"]["type"] == "log"
    assert "not on a log axis" not in notes(figure)
    assert "not on a log axis" not in notes(chart({"loss/policy_avg": [(1, -0.5)]}))


def test_a_band_that_reaches_below_0_ends_above_it_on_a_log_axis():
    series = {"eval/scores": [(0, 0.1), (5, 2.0)], "eval/scores_se": [(0, 0.2), (5, 0.5)]}
    [ribbon, _line] = chart(series, log=True)["data"]
    ends = numbers(ribbon["y"])
    assert ends.min() > 0
    # Where it need not be cut it is 1.96 standard errors: 2 + and - 0.98.
    assert [round(float(end), 2) for end in ends] == [0.49, 2.98, 1.02, 0.01]
    assert min(numbers(chart(series)["data"][0]["y"])) < 0


def test_a_log_axis_never_labels_every_digit():
    # Plotly labels 1 to 9 where a tick is to stand in less than 0.3 of a decade; a chart of one to
    # ten decades must ask for so few ticks that this cannot be.
    axis = chart({"lr": [(1, 0.1), (2, 1.0)]}, log=True)["layout"]["yaxis"]
    assert 1 / axis["nticks"] > 0.3
    assert chart({"lr": [(1, 0.1)]})["layout"]["yaxis"]["nticks"] == 6


def test_a_stage_is_drawn_over_its_own_steps_without_the_marks_of_updates():
    annotations = [Annotation(3, "kl_coef → 0.3")]
    for name in ("rm/loss", "sft/loss", "dpo/accuracy"):
        figure = chart({name: [(1, 0.7), (50, 0.6)]}, annotations=annotations)
        assert "steps of the stage" in notes(figure)
        assert "policy updates" not in notes(figure)
        assert figure["layout"]["shapes"] == []
    figure = chart({"lr": [(1, 0.7)]}, annotations=annotations)
    assert "policy updates" in notes(figure)
    assert len(figure["layout"]["shapes"]) == 1


def test_stages_and_updates_do_not_zoom_together():
    names = ["rm/loss", "rm/accuracy", "sft/loss", "lr", "objective/kl"]
    groups = {panel.name: panel.stage for panel in metric_charts.metric_panels(names)}
    assert groups == {
        "rm/loss": "rm",
        "rm/accuracy": "rm",
        "sft/loss": "sft",
        "lr": "",
        "objective/kl": "",
    }


def test_a_metric_has_the_colour_of_what_it_means():
    colours = {
        name: {trace["line"]["color"] for trace in chart({name: [(1, 1.0)]})["data"]}
        for name in (
            "eval/scores",
            "eval/gold",
            "eval/kl",
            "objective/kl_coef",
            "reset/fraction",
            "completions/mean_length",
            "loss/policy_avg",
            "lr",
            "timing_s/update",
        )
    }
    assert colours == {
        "eval/scores": {"@learned"},
        "eval/gold": {"@gold"},
        "eval/kl": {"@kl"},
        "objective/kl_coef": {"@kl"},
        "reset/fraction": {"@reset"},
        "completions/mean_length": {"@learned"},
        "loss/policy_avg": {"@ink"},
        "lr": {"@ink"},
        "timing_s/update": {"@ink"},
    }
    banded = chart({"eval/gold": [(0, 1.0)], "eval/gold_se": [(0, 0.1)]})["data"]
    assert {trace["line"]["color"] for trace in banded} == {"@gold"}
    assert banded[0]["fillcolor"] == "@gold/0.18"
