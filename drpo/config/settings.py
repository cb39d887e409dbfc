"""The settings of a run around its learner: data, models, stages, evaluation, alarms.

`drpo.config.run_config.RunConfig` puts all groups together; leaf names are unique across groups.
"""

from __future__ import annotations

from typing import Literal

from drpo.config.declare import Group, setting
from drpo.config.methods import Method

ExecutorName = Literal["process", "thread", "ray", "slurm"]
"""What carries a run out; see `drpo.executors`."""


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

    prompt_format: Literal["auto", "chat", "text"] = setting(
        "auto",
        "How models read a prompt: as a conversation written by the tokenizer's chat template, or "
        "as plain text; auto is chat where there is a template.",
    )
    chat_template: str | None = setting(
        None, "File with a Jinja chat template to use instead of the tokenizer's own."
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
    devices: int = setting(
        1,
        "How many GPUs of this machine share the run's work; each holds the models whole. On the "
        "processor so many processes share its cores, which tries it out and is no faster.",
        ge=1,
        le=64,
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = setting(
        "auto",
        "Number format of the weights; auto is bfloat16 on a GPU that has it. float16 tells eight "
        "times smaller changes apart, where the model's activations stay below 65,504.",
    )
    lora_rank: int = setting(
        0, "Rank of the low-rank adapters; 0 trains all weights.", ge=0, le=4096
    )
    lora_alpha: float = setting(32.0, "Scale of the low-rank adapters.", gt=0)
    quantize_base: Literal["none", "8bit", "4bit"] = setting(
        "none",
        "Bits of the frozen weights below the adapters: 8bit takes half of bfloat16's memory, 4bit "
        "a quarter; with lora_rank, on a GPU, after pip install 'drpo[quantize]'.",
    )
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
    rm_margin_weight: float = setting(
        0.0,
        "Margin loss: by how much the chosen answer should outscore the rejected one in a pair of "
        "mean margin, in proportion for others; 0 learns the order alone.",
        unit="score",
        ge=0,
    )
    dpo_epochs: float = setting(1.0, "Passes over the pairs in DPO.", unit="epochs", gt=0)
    dpo_learning_rate: float = setting(5e-6, "Step size of DPO.", gt=0, log=True)
    dpo_beta: float = setting(0.05, "Strength of DPO's pull to the start policy.", gt=0, log=True)
    dpo_batch_size: int = setting(16, "Pairs a step.", unit="pairs", ge=1)
    max_response_length: int | None = setting(
        None,
        "Longest answer that SFT, reward model and DPO read; none reads whole answers, as far as "
        "the model's context goes.",
        unit="tokens",
        ge=1,
    )
    long_responses: Literal["truncate", "drop"] = setting(
        "truncate", "What these stages do with a longer answer: cut it, or leave its pair out."
    )
    best_of_n: int = setting(8, "Answers drawn per prompt by best-of-n.", unit="answers", ge=2)


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
        "rm trains the reward model alone. The names of other ways to reset (adaback, ...) stand "
        "for drpo with the settings that make them.",
        main=True,
    )
    seed: int = setting(0, "Seed of every random draw in the run.", ge=0, main=True)
    checkpoint_every: int = setting(10, "Updates between checkpoints.", unit="updates", ge=1, le=10)
    executor: ExecutorName = setting(
        "process",
        "What carries it out: a process of this machine, a thread of the calling process, or a "
        "cluster. DRPO_EXECUTOR says it for runs that do not.",
    )
    report_to: tuple[str, ...] = setting(
        (),
        "Trackers that get metrics and samples too: tensorboard, mlflow, wandb, trackio, "
        "comma-separated.",
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
