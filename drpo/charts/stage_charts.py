"""The stages before the policy's own updates: what each minimises, and how often it is right."""

from __future__ import annotations

from collections.abc import Iterable

from drpo import metrics
from drpo.charts import figures
from drpo.charts.figures import Figure, Panel, RunSeries
from drpo.i18n import t
from drpo.metrics import words
from drpo.metrics.registry import OWN_STEPS

SHOWN = {
    "sft": (metrics.SFT_LOSS, metrics.SFT_MEAN_TOKEN_ACCURACY),
    "rm": (metrics.RM_LOSS, metrics.RM_ACCURACY),
    "dpo": (metrics.DPO_LOSS, metrics.DPO_REWARDS_ACCURACIES),
}
"""The two curves of each stage, by its group of metrics."""


def latest_stage(names: Iterable[str]) -> str:
    """The last stage of which there are curves; empty where there is none."""
    begun = {metrics.of(name).steps_of for name in names}
    return next((stage for stage in reversed(OWN_STEPS) if stage in begun), "")


def stage_chart(run: RunSeries, stage: str, *, until: int = 0) -> Figure:
    """Draw a stage's curves over its own steps.

    Args:
        run: Where the series come from.
        stage: Its group of metrics.
        until: Its last step, where it is known.
    """
    titles = (t("charts.stage_loss"), t("charts.stage_accuracy"))
    parts = [
        Panel(
            title,
            words.unit(name),
            # Marked, so that the first step is seen before there is a second.
            [figures.line(run.get(name), title, "ink", axis=axis, markers=True)],
        )
        for axis, name, title in zip(("", "2"), SHOWN[stage], titles, strict=True)
    ]
    return figures.panels(parts, x_title=t("charts.stage_steps"), legend=False, until=until)
