"""The groups of settings: for each setting its type, range, unit, default and a sentence of help.

`drpo.config.run_config.RunConfig` puts them together; leaf names are unique across groups.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from drpo.config.methods import Method

Schedule = Literal["constant", "linear", "cosine", "adaptive"]


def setting(
    default: Any,  # noqa: ANN401 - pydantic checks the default against the field's own type
    help_text: str,
    *,
    unit: str = "",
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    log: bool = False,
    main: bool = False,
) -> Any:  # noqa: ANN401
    """Declare one setting.

    Args:
        default: The value when nobody says otherwise; `...` makes the setting required.
        help_text: One plain sentence for the form and for `--help`.
        unit: What the number counts, as shown beside it; empty for words and plain ratios.
        ge: Smallest value allowed.
        gt: Values must be above this.
        le: Largest value allowed.
        lt: Values must be below this.
        log: A slider for it moves on a logarithmic scale.
        main: Shown unfolded on the launch form.
    """
    extra: dict[str, Any] = {"unit": unit, "log": log, "main": main}
    return Field(
        default, description=help_text, json_schema_extra=extra, ge=ge, gt=gt, le=le, lt=lt
    )


class Group(BaseModel):
    """A frozen group of settings; an unknown name is an error, not a silent typo."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataSettings(Group):
    """Which preference pairs, and how they are split."""

    data: str = setting(
        ..., "Preference pairs: a saved data set's name, a file, or a Hub name.", main=True
    )
    heldout: str | None = setting(
        None, "File or data set of held-out pairs; without one a share is set apart by prompt."
    )
    heldout_fraction: float = setting(
        0.1,
        "Share of prompts set apart for evaluation when no held-out file is given.",
        gt=0,
        lt=0.9,
    )
    demonstrations: str | None = setting(
        None, "File of (prompt, response) rows; resets start in them when the source says so."
    )
    max_prompt_length: int = setting(
        512, "A longer prompt is an error that names its row.", unit="tokens", ge=1
    )
    long_prompts: Literal["error", "drop"] = setting(
        "error", "What to do with a prompt that is too long: stop and say so, or leave it out."
    )


class ModelSettings(Group):
    """Which models, where, and in which number format."""

    policy: str = setting(
        ..., "Start policy: a Hugging Face causal language model, folder or name.", main=True
    )
    reward_model: str | None = setting(
        None,
        "Sequence classifier with one label; without one it is trained from the pairs.",
        main=True,
    )
    reward_source: Literal["model", "gold"] = setting(
        "model", "What the policy is trained to raise: the reward model, or the data's gold score."
    )
    device: str = setting("auto", "auto, cpu, cuda or cuda:N.")
    dtype: Literal["auto", "float32", "bfloat16"] = setting(
        "auto", "Number format of the weights; auto is bfloat16 on a GPU that has it."
    )
    lora_rank: int = setting(
        0, "Rank of the low-rank adapters; 0 trains all weights.", ge=0, le=4096
    )
    lora_alpha: float = setting(32.0, "Scale of the low-rank adapters.", gt=0)
    gradient_checkpointing: bool = setting(
        False, "Recompute activations in the backward pass: less memory, more time."
    )


class StageSettings(Group):
    """What is trained before the policy, and the DPO baseline."""

    sft_epochs: float = setting(
        0.0,
        "Passes over the chosen answers before anything else; 0 leaves the policy as it is.",
        unit="epochs",
        ge=0,
    )
    sft_learning_rate: float = setting(2e-5, "Step size of that training.", gt=0, log=True)
    sft_batch_size: int = setting(16, "Answers a step.", unit="answers", ge=1)
    rm_epochs: float = setting(
        1.0, "Passes over the pairs when the reward model is trained here.", unit="epochs", gt=0
    )
    rm_learning_rate: float = setting(1e-4, "Step size of the reward model.", gt=0, log=True)
    rm_batch_size: int = setting(16, "Pairs a step.", unit="pairs", ge=1)
    rm_pooling: Literal["last", "sum", "min"] = setting(
        "last", "How the reward model turns its per-token scores into one score."
    )
    rm_lm_weight: float = setting(
        0.0,
        "Weight of the language-modelling loss on chosen answers beside the ranking loss.",
        ge=0,
    )
    dpo_epochs: float = setting(1.0, "Passes over the pairs in DPO.", unit="epochs", gt=0)
    dpo_learning_rate: float = setting(5e-6, "Step size of DPO.", gt=0, log=True)
    dpo_beta: float = setting(0.05, "Strength of DPO's pull to the start policy.", gt=0, log=True)
    dpo_batch_size: int = setting(16, "Pairs a step.", unit="pairs", ge=1)
    best_of_n: int = setting(8, "Answers drawn per prompt by best-of-n.", unit="answers", ge=2)


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
    reset_source: Literal["chosen", "both", "demonstrations", "rollin"] = setting(
        "chosen",
        "Which answers resets start in: chosen ones, chosen and rejected, a "
        "demonstrations file, or answers of the start policy itself (Remark 5.1 of the paper).",
    )
    reset_min_prefix: int = setting(
        0, "Shortest reset prefix; 1 is what the authors' code does.", unit="tokens", ge=0, le=1
    )
    reset_filter: Literal["none", "margin", "score", "coverage"] = setting(
        "none",
        "Which answers may be reset into: all, or the better part by reward margin over "
        "the rejected answer, by score, or by likelihood under the start policy.",
    )
    reset_filter_keep: float = setting(0.5, "Share of answers the filter keeps.", gt=0, le=1)


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
    micro_batch_size: int = setting(
        32,
        "Episodes, or rows of a stage, in memory at once; changes memory and speed, never the "
        "gradient.",
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


class EvaluationSettings(Group):
    """What is measured while training, on prompts that training never sees."""

    eval_every: int = setting(5, "Updates between evaluations.", unit="updates", ge=1)
    eval_prompts: int = setting(128, "Held-out prompts in each evaluation.", unit="prompts", ge=1)
    eval_temperature: float = setting(
        1.0, "Randomness of evaluation answers; 0 is greedy.", ge=0, le=5
    )
    eval_seed: int = setting(0, "Same seed, same sampling noise, for every run.", ge=0)
    sample_prompts: int = setting(
        64,
        "Held-out prompts whose answers are kept, for reading and for the verdict on a run.",
        unit="prompts",
        ge=1,
        le=200,
    )


class RunSettings(Group):
    """How the run is carried out."""

    name: str = setting("", "A name to find the run by; made up when empty.", main=True)
    method: Method = setting(
        "drpo",
        "DR-PO, or a baseline on the same footing: ppo (no resets), dpo, sft, best_of_n; "
        "rm trains the reward model alone.",
        main=True,
    )
    seed: int = setting(0, "Seed of every random draw in the run.", ge=0, main=True)
    checkpoint_every: int = setting(10, "Updates between checkpoints.", unit="updates", ge=1, le=10)
    executor: Literal["process", "thread"] = setting(
        "process", "A worker process of its own, or a thread of the calling process."
    )


class AlarmSettings(Group):
    """When to ask a person to look. Each alarm is evidence, not a verdict."""

    alarm_kl_budget: float = setting(
        25.0, "KL above this raises an alarm.", unit="nats per answer", gt=0
    )
    alarm_length_ratio: float = setting(
        1.5, "Mean length this many times longer or shorter than at the start.", gt=1
    )
    alarm_repetition: float = setting(
        0.3, "Share of repeated 3-grams in an answer, above the start's.", gt=0, le=1
    )
    alarm_entropy_floor: float = setting(
        0.1, "Entropy below this share of the start's.", gt=0, lt=1
    )
    alarm_identical: float = setting(
        0.5, "Share of held-out answers that are the same text.", gt=0, le=1
    )
    alarm_unfinished: float = setting(0.5, "Share of answers cut at the length limit.", gt=0, le=1)
    alarm_clipfrac: float = setting(0.4, "Share of tokens outside the clip range.", gt=0, le=1)
    alarm_value_error: float = setting(
        0.02, "Explained variance of the critic below this, several updates in a row."
    )
    alarm_rm_accuracy: float = setting(
        0.6, "Held-out accuracy below which the reward model is too weak to trust.", gt=0.5, lt=1
    )
    alarm_min_reset_answers: int = setting(
        32, "Fewer distinct answers to reset into than this.", unit="answers", ge=1
    )
    alarm_pause: tuple[str, ...] = setting(
        (), "Alarms that pause the run by themselves: names of docs/alarms.md, comma-separated."
    )
    alarm_webhook: str | None = setting(None, "URL that gets each alarm as JSON.")
