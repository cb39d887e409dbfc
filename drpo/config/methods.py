"""The methods a run may train by, and what each of them has: updates, resets, live settings."""

from __future__ import annotations

from typing import Any, Literal

Method = Literal["drpo", "ppo", "dpo", "sft", "best_of_n", "rm"]
UPDATING: tuple[Method, ...] = ("drpo", "ppo")
"""Methods that learn in updates of freshly drawn episodes."""
LIVE_SETTINGS = ("kl_coef", "reset_prob")
"""Settings that may change while a run goes on."""
RESUME_SETTINGS = (*LIVE_SETTINGS, "learning_rate")
"""Settings that may change when an ended run goes on: what helps a run that diverged."""
PLACE_SETTINGS = ("devices",)
"""Settings that say where a run is carried out; an ended one may go on elsewhere."""
NO_RESETS: dict[str, Any] = {"reset_prob": 0.0, "reset_schedule": "constant"}
"""What makes a run a control: no resets at its start, and none later."""


def live_settings(method: str) -> tuple[str, ...]:
    """Return the live settings that do something in a run of this method.

    Plain PPO is DR-PO that never resets, the control of every comparison; the methods that do not
    learn in updates have no moment at which anything could change.
    """
    if method == "ppo":
        return ("kl_coef",)
    return LIVE_SETTINGS if method in UPDATING else ()


def resume_settings(method: str) -> tuple[str, ...]:
    """Return the settings that an ended run of this method may go on with other values of."""
    return (*live_settings(method), "learning_rate") if method in UPDATING else ()


def resets(method: str) -> bool:
    """Return whether episodes of this method may start part-way through an answer."""
    return "reset_prob" in live_settings(method)
