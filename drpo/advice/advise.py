"""From a look to advice: which method, how deep, how often; or that resets will not help.

Every rule is about one question: from where do groups of continuations differ? What all succeed or
all fail teaches nothing. Where the lines are drawn is `Bars`, chosen by reason; the study says how
often they lead to the best method, and whether lines fitted to other tasks would do better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from drpo.advice.look import Depth, Look
from drpo.config.reset_methods import METHODS
from drpo.i18n.message import Message
from drpo.stats.intervals import Interval, wilson

Verdict = Literal["enough", "hopeless", "per_prompt", "uniform", "little"]


@dataclass(frozen=True)
class Bars:
    """Where the rules draw their lines."""

    enough: float = 0.5
    """Share of groups from the bare prompt that differ: from there on PPO has what it needs."""
    some: float = 0.1
    """Share of groups that must differ somewhere for anything to be learned there."""
    rare: float = 0.1
    """Success from the bare prompt below which resets bring the first rewards sooner."""
    deep: float = 0.45
    """Where success begins only behind this share, most uniform depths are wasted on a prompt."""


BARS = Bars()
METHOD: dict[Verdict, tuple[str, dict[str, Any]]] = {
    "enough": ("ppo", {}),
    "hopeless": ("ppo", {}),
    "per_prompt": ("adaback", dict(METHODS["adaback"].settings)),
    "uniform": ("drpo", {"reset_prob": 0.5}),
    "little": ("drpo", {"reset_prob": 0.25}),
}


@dataclass(frozen=True)
class Advice:
    """What to do, why, and how sure that is."""

    verdict: Verdict
    method: str
    settings: Mapping[str, Any]
    """What to set; `method` stands for its bundle."""
    reasons: tuple[Message, ...]
    others: tuple[Verdict, ...]
    """What the advice would be at one or the other end of the intervals, where it is another."""


End = Callable[[Interval], float]


def advise(found: Look, bars: Bars = BARS) -> Advice:
    """Say what a look means for a run."""
    verdict = _verdict(found, bars, lambda one: one.value or 0.0)
    ends = (
        _verdict(found, bars, lambda one: one.low or 0.0),
        _verdict(found, bars, lambda one: 0.0 if one.high is None else one.high),
    )
    method, settings = METHOD[verdict]
    shown: dict[str, Any] = {"method": method, **settings}
    if verdict in ("per_prompt", "uniform", "little"):
        shown["reset_success"] = round(found.level, 4)
    others = tuple(dict.fromkeys(other for other in ends if other != verdict))
    return Advice(verdict, method, shown, _reasons(found, verdict), others)


def document(found: Look, advice: Advice) -> dict[str, Any]:
    """A look and what it leads to as JSON; reasons as messages, to be said in any language."""
    return {
        "advice": advice.verdict,
        "method": advice.method,
        "settings": dict(advice.settings),
        "reasons": [reason.as_dict() for reason in advice.reasons],
        "otherwise": list(advice.others),
        "level": found.level,
        "coverage": found.coverage,
        "prompts": found.prompts,
        "episodes": found.episodes,
        "seconds": found.seconds,
        "depths": [
            {
                "share": depth.share,
                "success": success_at(depth, found.level).to_dict(),
                "groups_that_differ": mixed_at(depth).to_dict(),
                "mean_score": depth.mean,
            }
            for depth in found.depths
        ],
    }


def success_at(depth: Depth, level: float) -> Interval:
    """Success at a depth with its interval; over continuations, as if each stood alone."""
    return wilson(*depth.success(level))


def mixed_at(depth: Depth) -> Interval:
    """Share of groups that differ, with its interval."""
    return wilson(*depth.mixed)


def _verdict(found: Look, bars: Bars, end: End) -> Verdict:
    bare, *deeper = found.depths
    mixed = [end(mixed_at(depth)) for depth in deeper]
    if end(mixed_at(bare)) >= bars.enough:
        return "enough"
    if max(mixed) < bars.some:
        return "hopeless"
    if end(success_at(bare, found.level)) >= bars.rare:
        return "little"
    begins = next(
        (depth.share for depth, share in zip(deeper, mixed, strict=True) if share >= bars.some), 1.0
    )
    return "per_prompt" if begins >= bars.deep else "uniform"


def _reasons(found: Look, verdict: Verdict) -> tuple[Message, ...]:
    bare, *deeper = found.depths
    best = max(deeper, key=lambda depth: mixed_at(depth).value or 0.0)
    success, mixed = success_at(bare, found.level), mixed_at(bare)
    return (
        Message(
            "advice.bare",
            success=share_text(success),
            mixed=share_text(mixed),
        ),
        Message("advice.best", depth=f"{best.share:.0%}", mixed=share_text(mixed_at(best))),
        Message("advice.coverage", nats=f"{-found.coverage:.2g}"),
        Message(f"advice.why_{verdict}"),
    )


def share_text(one: Interval) -> str:
    """A share with its interval, in per cent."""
    if one.value is None or one.low is None or one.high is None:
        return "–"
    return f"{one.value:.0%} ({one.low:.0%}–{one.high:.0%})"
