"""The settings of the learner: how episodes start and are drawn, and what the updates do with them.

`drpo.config.run_config.RunConfig` puts all groups together.
"""

from __future__ import annotations

from typing import Literal

from drpo.config.declare import Group, setting

Schedule = Literal["constant", "linear", "cosine", "adaptive"]
Source = Literal["chosen", "both", "demonstrations", "rollin", "successes", "failures"]


ROWS_AT_ONCE = 32
"""Most rows in memory at once where nobody says how many."""


class SamplingSettings(Group):
    """How answers are drawn during training."""

    response_length: int = setting(
        53, "Longest answer, a reset prefix included.", unit="tokens", ge=1, main=True
    )
    temperature: float = setting(1.0, "Randomness of sampling.", gt=0, le=5)
    missing_eos_penalty: float | None = setting(
        1.0,
        "What an answer that does not end by itself is charged; none charges nothing.",
        unit="score",
    )
    missing_eos: Literal["subtract", "replace"] = setting(
        "subtract",
        "Whether that is taken off its score, or stands in its place (the authors' code, with -1).",
    )


class ResetSettings(Group):
    """Where episodes start."""

    reset_prob: float = setting(
        0.5,
        "Reset probability: the chance that an episode starts part-way through an answer.",
        ge=0,
        le=1,
        main=True,
    )
    reset_schedule: Schedule = setting(
        "constant",
        "How it changes: constant, or falling to its final value in a line, along a "
        "cosine, or (adaptive) as reward from the bare prompt catches up.",
    )
    reset_prob_final: float = setting(0.0, "Where linear and cosine schedules end.", ge=0, le=1)
    reset_source: Source = setting(
        "chosen",
        "Which answers resets start in: chosen ones, chosen and rejected, a "
        "demonstrations file, answers of the start policy itself (Remark 5.1 of the paper), or "
        "answers of the policy that succeeded, or failed, earlier in the run.",
    )
    reset_draws: int = setting(
        0,
        "Answers that the start policy draws before the run, of which those that succeed are kept "
        "to reset into; for successes.",
        unit="answers",
        ge=0,
    )
    reset_depth: Literal["uniform", "fixed", "binomial", "per_prompt", "first_wrong"] = setting(
        "uniform",
        "How much of the answer a reset gives: any depth alike, a fixed share, a share by the toss "
        "of a coin for each token, as much as each prompt needs, found by bisection on its past "
        "scores, or all that stands before the first wrong token of an own failure.",
    )
    reset_fault: Literal["account", "values"] = setting(
        "account",
        "What finds that token: where the gold score is trained on, its account of an answer; else "
        "values, the critic's or those of groups that continue the answer.",
    )
    reset_share: float = setting(
        0.5, "Share of the answer that fixed and binomial give.", unit="share", ge=0, le=1
    )
    reset_share_schedule: Literal["constant", "linear", "cosine"] = setting(
        "constant",
        "How it changes: constant, or falling to its final value in a line or along a cosine.",
    )
    reset_share_final: float = setting(
        0.0, "Where linear and cosine schedules of the share end.", unit="share", ge=0, le=1
    )
    reset_prompts: Literal["all", "failed"] = setting(
        "all",
        "Which prompts are reset: all, or only those that failed when they were last begun bare.",
    )
    reset_success: float = setting(
        0.5,
        "Mean score from which on a prompt's episodes count as a success; for per_prompt and "
        "failed.",
        unit="score",
    )
    reset_min_prefix: int = setting(
        0, "Shortest reset prefix; 1 is what the authors' code does.", unit="tokens", ge=0, le=1
    )
    reset_filter: Literal["none", "margin", "score", "coverage", "label"] = setting(
        "none",
        "Which answers may be reset into: all, or the better part by margin over the rejected "
        "answer (as rated, else as scored), by score, by likelihood under the start policy, or by "
        "how far a check of labels believes the pair.",
    )
    reset_filter_keep: float = setting(0.5, "Share of answers the filter keeps.", gt=0, le=1)
    hint_weight: float = setting(
        0.0,
        "Weight of a loss of its own on the given tokens, their negative log-likelihood (UFT); 0 "
        "learns nothing from what the policy did not choose.",
        ge=0,
    )


class KLSettings(Group):
    """The brake that keeps the policy near where it began."""

    kl_coef: float = setting(
        0.1,
        "KL brake: score taken off per nat that the policy departs from the start policy.",
        unit="score per nat",
        ge=0,
        le=100,
        log=True,
        main=True,
    )
    kl_schedule: Schedule = setting(
        "constant", "How it changes: constant, linear, cosine, or adaptive (towards a target KL)."
    )
    kl_coef_final: float = setting(0.0, "Where linear and cosine schedules end.", ge=0, le=100)
    kl_target: float = setting(
        6.0,
        "KL that the adaptive schedule steers to, over what the policy wrote: of an episode "
        "that was reset, the rest of the answer only.",
        unit="nats per answer",
        gt=0,
    )
    kl_horizon: int = setting(
        10_000, "How slowly the adaptive schedule moves.", unit="episodes", ge=1
    )
    kl_estimator: Literal["k1", "exact"] = setting(
        "k1",
        "How the KL of a token is taken for the reward: k1, the log-ratio of the chosen token, or "
        "exact, the sum over the vocabulary (less spread, more memory).",
    )
    kl_placement: Literal["reward", "loss"] = setting(
        "reward",
        "Where the brake acts: in the reward, or as GRPO's paper has it in the loss (k3, grpo "
        "only).",
    )


class PPOSettings(Group):
    """The policy update."""

    updates: int = setting(
        30, "Policy updates; each draws fresh episodes.", unit="updates", ge=1, main=True
    )
    episodes_per_update: int = setting(
        64, "Episodes drawn for one update.", unit="episodes", ge=1, main=True
    )
    num_ppo_epochs: int = setting(4, "Passes over each update's episodes.", unit="passes", ge=1)
    num_mini_batches: int = setting(
        1, "Optimiser steps per pass; the episodes are split evenly.", unit="steps", ge=1
    )
    micro_batch_size: int | None = setting(
        None,
        "Episodes, or rows of a stage, in memory at once; changes memory and speed, never the "
        "gradient. None takes what fits into memory, at most 32.",
        unit="episodes",
        ge=1,
    )
    rollout_batch_size: int | None = setting(
        None,
        "Answers written at once: where one ends the next begins. Changes memory and speed only. "
        "None takes four times the micro-batch.",
        unit="episodes",
        ge=1,
    )
    learning_rate: float = setting(3e-6, "Step size of the policy.", gt=0, log=True, main=True)
    lr_schedule: Literal["constant", "linear"] = setting(
        "linear", "Whether the step size falls to zero by the last update."
    )
    adam_eps: float = setting(1e-5, "Adam's denominator offset.", gt=0, log=True)
    max_grad_norm: float = setting(1.0, "Gradients longer than this are scaled down.", gt=0)
    cliprange: float = setting(0.2, "PPO clip range of the policy ratio.", gt=0, lt=1)
    advantage: Literal["gae", "rloo", "grpo"] = setting(
        "gae",
        "What an episode is held against: a critic (gae), or the other episodes of its group, by "
        "their mean (rloo) or by mean and spread (grpo).",
        main=True,
    )
    group_size: int = setting(
        4,
        "Episodes that share prompt and reset point; rloo and grpo only.",
        unit="episodes",
        ge=2,
    )
    zero_spread_groups: Literal["keep", "drop", "resample"] = setting(
        "keep",
        "What to do with groups whose episodes all score alike, which teach nothing: keep them, "
        "leave them out of the step, or draw other prompts in their place.",
    )
    gamma: float = setting(1.0, "Discount per token.", ge=0, le=1)
    lam: float = setting(0.95, "Trace decay of the advantage estimate (GAE).", ge=0, le=1)
    whiten_rewards: bool = setting(
        False, "Divide rewards by their spread in each update (the authors' code does)."
    )

    @property
    def rows_at_once(self) -> int:
        """Rows of a micro-batch; the most that are chosen by themselves where none is asked for."""
        return self.micro_batch_size or ROWS_AT_ONCE

    @property
    def answers_at_once(self) -> int:
        """Answers written at once.

        A row that is written holds keys and values; one that is learned from, every layer's
        activations, several times as much.
        """
        return self.rollout_batch_size or 4 * self.rows_at_once


class CriticSettings(Group):
    """The critic that gae needs; rloo and grpo have none."""

    critic_init: Literal["reward_model", "policy"] = setting(
        "policy", "Which network the critic starts from; the authors start from the reward model."
    )
    critic_learning_rate: float | None = setting(
        None, "Step size of the critic; none is ten times that of the policy.", gt=0, log=True
    )
    critic_mini_batches: int | None = setting(
        4,
        "Steps of the critic per pass; the episodes are split evenly. None takes the policy's.",
        unit="steps",
        ge=1,
    )
    critic_pretraining_epochs: float = setting(
        0.0,
        "Passes over the offline answers, as the reward scores them, that teach the critic before "
        "the first update what each token leads to; best together with critic_init reward_model.",
        unit="epochs",
        ge=0,
    )
    critic_warmup_steps: int = setting(
        16,
        "Steps of the critic on the first episodes, before the policy first moves.",
        unit="steps",
        ge=0,
    )
    critic_lam: float = setting(
        1.0, "Trace decay of the critic's targets; 1 teaches it the full return.", ge=0, le=1
    )
    critic_scaling: bool = setting(
        True,
        "Whether the critic counts in running spreads of the returns from their running mean, so "
        "that no unit of the reward model is too large or too small for it.",
    )
    cliprange_value: float = setting(
        0.2,
        "How far a value may move in one update; in spreads of the returns where critic_scaling is "
        "on, else in score units.",
        gt=0,
    )
