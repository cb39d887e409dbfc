"""How often a run meets each prompt: what remembers prompts has nothing to go by at once."""

from __future__ import annotations

from drpo.config.run_config import RunConfig
from drpo.i18n.message import Message
from drpo.runs.data_rows import rows_of

ENOUGH = 3.0
"""Visits: one to see how a prompt goes from the bare prompt, one to act on it, one to see again."""


def few_visits(config: RunConfig) -> Message | None:
    """Say where a rule remembers prompts that the run hardly meets twice; None where all is well.

    On the ladder five published methods equalled PPO or uniform resets to the last digit, because
    each prompt was met once.

    Args:
        config: A run's settings; data that are not here yet are not counted.
    """
    if not _remembers_prompts(config):
        return None
    rows = rows_of(config.data.data)
    if rows is None or not rows.count:
        return None
    prompts = rows.count
    if config.data.heldout is None:
        prompts = max(1, round(prompts * (1 - config.data.heldout_fraction)))
    group = 1 if config.ppo.advantage == "gae" else config.ppo.group_size
    visits = config.ppo.updates * config.ppo.episodes_per_update / group / prompts
    if visits >= ENOUGH:
        return None
    return Message("launch.few_visits", visits=f"{visits:.2g}", prompts=f"{prompts:,}")


def _remembers_prompts(config: RunConfig) -> bool:
    reset = config.reset
    own = reset.reset_source == "failures" or (
        reset.reset_source == "successes" and not reset.reset_draws
    )
    rules = own or reset.reset_depth == "per_prompt" or reset.reset_prompts == "failed"
    return config.run.method == "drpo" and reset.reset_prob > 0 and rules
