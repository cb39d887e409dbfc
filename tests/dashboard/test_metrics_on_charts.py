"""Every metric that a run logs is on a chart: the two sets are compared on a real run."""

import base64

import numpy as np
from runs import small_config

from drpo.dashboard.charts import figures, metric_charts
from drpo.dashboard.state.metric_series import Feed
from drpo.runs import worker


def numbers(packed):
    return np.frombuffer(base64.b64decode(packed["bdata"]), dtype=np.float32).tolist()


def drawn(feed):
    """The metrics whose own numbers are in a trace of the list of all metrics on Live."""
    found = set()
    for panel in metric_charts.metric_panels(feed.series):
        traces = metric_charts.metric_chart(feed, panel)["data"]
        lines = [numbers(trace["y"]) for trace in traces if not trace.get("fill")]
        bands = [numbers(trace["y"]) for trace in traces if trace.get("fill")]
        for name in panel.members:
            values = feed.get(name).values
            if values.tolist() in lines:
                found.add(name)
            elif name.endswith("_se"):
                # A standard error is drawn as the band around its mean.
                top = feed.get(name[:-3]).values + figures.Z95 * values
                found |= {name for band in bands if band[: len(values)] == top.tolist()}
    return found


def test_what_a_run_of_all_stages_logs_is_what_the_charts_draw(store, tmp_path, model_folder):
    # Resets and prompt starts, a tuned start, a reward model of its own: all that logs metrics.
    config = small_config(
        tmp_path,
        model_folder("llama"),
        None,
        sft_epochs=1.0,
        updates=2,
        sft_batch_size=8,
        rm_batch_size=8,
        eval_every=1,
    )
    run = store.runs.create(config)
    assert worker.execute(run.id, store) == "finished"
    logged = set(store.metrics.names(run.id))
    assert {"sft", "rm", "objective", "eval", "reset", "timing_s"} <= {
        name.split("/")[0] for name in logged
    }
    assert {"objective/scores_reset", "objective/scores_prompt", "eval/scores_se"} <= logged
    feed = Feed(store, run.id).refresh()
    assert drawn(feed) == logged
