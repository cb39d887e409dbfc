"""What runs log is what is declared, and all of it is drawn: the sets are compared on real runs."""

import pytest
from runs import small_config, write_with_facts
from series import numbers

from drpo import metrics
from drpo.analysis.metric_series import Feed
from drpo.charts import figures, metric_charts
from drpo.runs import worker
from drpo.store import Store

NOT_LOGGED = {
    # Needs the chosen answers' text beside the policy's, which only `drpo eval` lays side by side.
    metrics.EVAL_ROUGE_L,
    metrics.error_of(metrics.EVAL_ROUGE_L),
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


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")  # within TRL
def test_what_runs_log_is_what_is_declared(feeds):
    logged = {name for feed in feeds for name in feed.series}
    declared = {metric.name for metric in metrics.declared()}
    assert logged - declared == set()
    assert declared - logged == NOT_LOGGED


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")  # within TRL
def test_what_runs_log_is_what_the_charts_draw(feeds):
    for feed in feeds:
        assert drawn(feed) == set(feed.series)
