"""`drpo advise`: draw for a few minutes before any training, and say whether resets will help."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from drpo.cli.options import Json
from drpo.cli.output import ProgressLine, print_json, print_table, say
from drpo.cli.setting_flags import given, with_settings
from drpo.config.command_line import command_line
from drpo.config.run_config import RunConfig
from drpo.i18n import t
from drpo.runs import demo, event_words, preflight
from drpo.store import Store
from drpo.types import Observer

RESETS = ("name", "method", "reset_prob", "reset_schedule", "reset_depth", "reset_prompts")
"""Settings that the advice is about."""


class ShownDrawing(Observer):
    """Shows how far a drawing is, in a line of its own."""

    def __init__(self) -> None:
        self.line = ProgressLine()

    def progress(self, stage: str, done: int, total: int) -> None:
        """Replace the line."""
        self.line.show(f"{event_words.stage_name(stage)} {done}/{total}")


@with_settings({})
def advise(
    task: Annotated[
        str | None, typer.Option("--demo", help=f"A demo task: {', '.join(demo.TASKS)}.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0, help="About how long to draw.")] = 240.0,
    as_json: Json = False,
    **settings: Any,  # noqa: ANN401 - the settings themselves, checked by RunConfig
) -> None:
    """Draw from the start policy before any training, and say whether resets will help.

    From the bare prompt and from nine depths of the data's answers: how often answers succeed,
    whether groups differ, how long it takes; then a method, a depth rule and a probability.
    """
    from drpo.advice.advise import advise as judge
    from drpo.advice.advise import document
    from drpo.advice.carry import look_at  # loads torch

    asked = given(settings)
    config = demo.demo_config(task, **asked) if task else RunConfig.of(**asked)
    store, shown = Store(), ShownDrawing()
    preflight.check(config, store)
    found = look_at(config, store, shown, seconds=seconds)
    shown.line.end()
    advice = judge(found)
    if as_json:
        reasons = [str(reason) for reason in advice.reasons]
        print_json({**document(found, advice), "reasons": reasons})
        return
    _say(found, advice, config)


def _say(found: Any, advice: Any, config: RunConfig) -> None:  # noqa: ANN401 - loaded late
    from drpo.advice.advise import mixed_at, share_text, success_at

    say(
        t(
            "advice.drawn",
            prompts=found.prompts,
            episodes=found.episodes,
            seconds=f"{found.seconds:.0f}",
            each=f"{1000 * found.seconds / found.episodes:.0f}",
        )
    )
    print_table(
        [
            [
                f"{depth.share:.0%}",
                share_text(success_at(depth, found.level)),
                share_text(mixed_at(depth)),
                f"{depth.mean:.3g}",
            ]
            for depth in found.depths
        ],
        [t(f"advice.col_{name}") for name in ("given", "success", "differ", "score")],
    )
    for reason in advice.reasons:
        say(f"- {reason.text()}")
    names = [t(f"advice.short_{other}") for other in advice.others]
    say(t("advice.unsure", others="; ".join(names)) if names else t("advice.sure"))
    plain = RunConfig.of(data="-", policy="-").flat()
    asked = {leaf: value for leaf, value in config.flat().items() if value != plain[leaf]}
    # Where it begins is what was asked about, so nothing that was said of it stays.
    kept = {leaf: value for leaf, value in asked.items() if leaf not in RESETS}
    say(t("advice.advice", settings=command_line({**kept, **advice.settings})))
