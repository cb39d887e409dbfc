"""Settings as an earlier version stored them, in the form that this version reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from drpo.config.methods import NO_RESETS, UPDATING, resets

RETIRED: Mapping[str, str] = {
    "judge": "name a chat judge where runs are evaluated: `drpo eval RUN --judge URL`.",
    "judge_model": "name its model where runs are evaluated: `drpo eval RUN --judge-model NAME`.",
    "vf_coef": "policy and critic are networks of their own and Adam cancels any weight between "
    "them; give the critic its own step size: `drpo train --critic-learning-rate RATE`.",
}
"""Settings that are no more, each with a sentence on what holds instead. Runs, sweeps and pilots
stored with them open as ever; whoever gives one anew is told the sentence."""
EARLIER = "earlier"
"""A group that only stored settings have: those that an earlier version trained with and this one
reads otherwise, as they were. What happened is shown by it, and an old checkpoint is read by it."""


def current_form(nested: Mapping[str, Any]) -> dict[str, Any]:
    """Return grouped settings without retired ones, and without resets where the method has none.

    Here alone it is settled that plain PPO has a reset probability of 0 which no schedule raises:
    every reader, of new and of stored runs, just reads `reset_prob`.

    Args:
        nested: `{group: {setting: value}}`; nothing about it needs to be valid.
    """
    nested = _read_as_text(_with_a_critic_of_its_own(nested))
    config = {
        group: {leaf: value for leaf, value in leaves.items() if leaf not in RETIRED}
        if isinstance(leaves, Mapping) and group != EARLIER
        else leaves
        for group, leaves in nested.items()
    }
    run, reset = config.get("run"), config.get("reset")
    method = run.get("method") if isinstance(run, dict) else None
    if method in UPDATING and not resets(method) and isinstance(reset, dict):
        config["reset"] = {**reset, **NO_RESETS}
    return config


def _read_as_text(nested: Mapping[str, Any]) -> Mapping[str, Any]:
    """Say in today's settings that before 0.2 every prompt was read as the text that it is."""
    data = nested.get("data")
    if not isinstance(data, Mapping) or not data or "prompt_format" in data:
        return nested
    return {**nested, "data": {**data, "prompt_format": "text"}}


def _with_a_critic_of_its_own(nested: Mapping[str, Any]) -> Mapping[str, Any]:
    """Say in today's settings what held before 0.2.

    Then policy and critic had one step size and one lambda, the critic's targets were in score
    units, a missing end replaced the score, and k3 could be a reward. Such a run goes on as it
    went, but for k3: as a reward it is no brake (`drpo.rl.kl`), so the reward now takes k1.
    """
    ppo = nested.get("ppo")
    if not isinstance(ppo, Mapping) or "vf_coef" not in ppo:
        return nested
    moved = ("cliprange_value", "critic_init")
    groups = dict(nested)
    groups["ppo"] = {leaf: value for leaf, value in ppo.items() if leaf not in moved}
    groups["critic"] = {
        **{leaf: ppo[leaf] for leaf in moved if leaf in ppo},
        "critic_learning_rate": ppo.get("learning_rate"),
        "critic_mini_batches": None,
        "critic_pretraining_epochs": 0.0,
        "critic_warmup_steps": 0,
        "critic_lam": ppo.get("lam", 0.95),
        "critic_scaling": False,
    }
    groups["sampling"] = {**nested.get("sampling", {}), "missing_eos": "replace"}
    groups[EARLIER] = {"vf_coef": ppo["vf_coef"]}
    kl = nested.get("kl")
    if isinstance(kl, Mapping) and kl.get("kl_estimator") == "k3":
        groups["kl"] = {**kl, "kl_estimator": "k1"}
        groups[EARLIER]["kl_estimator"] = "k3"
    return groups


def k3_was_reward(config: Mapping[str, Any]) -> bool:
    """Whether a run's settings, as the store gives them, asked for k3 as a reward: now it is k1."""
    return bool(config.get(EARLIER, {}).get("kl_estimator") == "k3")


def critic_weight(config: Mapping[str, Any]) -> float:
    """Return the weight that the critic's loss had in an earlier version; 1 in this one.

    Args:
        config: A run's settings, as the store gives them.
    """
    return float(config.get(EARLIER, {}).get("vf_coef", 1.0))


def without_secrets(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return grouped settings as they may be shown and given away.

    The address of a webhook is a key to a channel: only its host is left.
    """
    alarms = stored.get("alarms") or {}
    url = alarms.get("alarm_webhook")
    if not url or url.startswith("env:"):
        return dict(stored)
    try:
        parts = urlsplit(url)
        shown = f"{parts.scheme}://{parts.hostname}/…"
    except ValueError:
        shown = "…"
    return {**stored, "alarms": {**alarms, "alarm_webhook": shown}}
