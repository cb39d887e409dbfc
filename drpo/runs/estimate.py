"""How long a run will take and how much memory, before it is launched and without torch.

Two sources: earlier runs of the same model on this machine, whose time per update was measured;
else the arithmetic a transformer needs (2 operations per weight and token forwards, 4 more
backwards, 2 where adapters are trained) over what a machine of this kind sustains, with a floor per
layer and token for tiny models, where calling a layer costs more than its arithmetic. The second is
good to about a factor of two; it says so.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from drpo.config.methods import UPDATING
from drpo.config.run_config import RunConfig, default_of
from drpo.data.io.source import file_of
from drpo.i18n.message import Message
from drpo.modeling.model_size import Size, size_of
from drpo.runs.data_rows import counted, rows_of
from drpo.runs.memory_estimate import WAITING, memory_of, most_lengths
from drpo.store import Store
from drpo.system import processes

ON_GPU, ON_CPU = "a GPU", "the processor"
GPU_SPEED = 2e14
"""Operations a second that training sustains on a current data-centre GPU in bfloat16."""
GPU_BANDWIDTH = 1.5e12
"""Bytes a second: each decoded token reads all weights once."""
CALL_SECONDS = {"cpu": 6e-4, "gpu": 2.4e-3}
"""Cost of calling one layer once, whatever its size: on two cores with 128-wide layers, and on an
H200 with LoRA, where it is the time that the processor takes to start the layer's kernels."""
DRAWN_CALL_SECONDS = {"cpu": 6e-4, "gpu": 4.5e-4}
"""The same where answers are written, which on a GPU is drawn as a graph: measured there with 16 to
32 layers, 32 and 64 rows at once, .33 to .96 ms."""


SAME_SPEED = (
    ("models", "policy"),
    ("models", "lora_rank"),
    ("models", "device"),
    ("models", "devices"),
    ("models", "dtype"),
    ("models", "gradient_checkpointing"),
    ("ppo", "num_ppo_epochs"),
    ("ppo", "advantage"),
    ("sampling", "response_length"),
)
"""Settings in which an earlier run must agree before its time tells anything about this one."""


@dataclass(frozen=True)
class Estimate:
    """What a run will cost."""

    seconds: float
    seconds_per_update: float
    memory_bytes: float
    """At most, in the stage that takes most."""
    memory_by_stage: dict[str, float]
    source: str
    """measured or calculated."""
    device: str
    """ON_GPU or ON_CPU."""
    stages: tuple[str, ...]
    downloads: tuple[Message, ...]
    memory_source: str = "calculated"
    """calculated, or tried: measured on the longest rows."""

    def document(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {**asdict(self), "downloads": [str(one) for one in self.downloads]}


def estimate_run(config: RunConfig, store: Store | None = None) -> Estimate:
    """Estimate a run.

    Args:
        config: Its settings.
        store: Where earlier runs of the same model may have been measured.

    Raises:
        ModelError: The model is not here and its name does not tell its size.
    """
    policy, scorer = _sizes(config)
    on_gpu = config.models.device != "cpu" and bool(processes.gpus())
    on_gpu = on_gpu or config.models.device.startswith("cuda")
    prompt = _prompt_tokens(config, policy)
    measured = _measured(config, store) if store is not None else None
    update = measured or _update_seconds(config, policy, scorer, prompt, on_gpu=on_gpu)
    evaluation = _evaluation_seconds(config, policy, scorer, prompt, on_gpu=on_gpu)
    updates = config.ppo.updates if config.run.method in UPDATING else 0
    evaluations = 1 + max(1, -(-updates // config.evaluation.eval_every))
    stage_seconds = _stage_seconds(config, policy, prompt, on_gpu=on_gpu)
    # GPUs share the work and have each their own memory; on the processor it is the other way.
    devices = config.models.devices
    sharing, copies = (devices, 1) if on_gpu else (1, devices)
    if not measured:
        update /= sharing
    shared = (stage_seconds + evaluations * evaluation) / sharing
    by_stage = {
        stage: copies * size
        for stage, size in memory_of(config, policy, scorer, stages(config)).items()
    }
    return Estimate(
        seconds=shared + updates * update,
        seconds_per_update=update,
        memory_bytes=max(by_stage.values()),
        memory_by_stage=by_stage,
        source="measured" if measured else "calculated",
        device=ON_GPU if on_gpu else ON_CPU,
        stages=tuple(stages(config)),
        downloads=tuple(_downloads(config, policy, scorer)),
    )


def calculated_memory(config: RunConfig) -> float:
    """Return the bytes that a run takes in its largest stage.

    Raises:
        ModelError: A model is not here and its name does not tell its size.
    """
    policy, scorer = _sizes(config)
    return max(memory_of(config, policy, scorer, stages(config)).values())


def most_memory(config: RunConfig) -> float:
    """Return the most bytes that a run may take, whatever its rows are: without reading any.

    Raises:
        ModelError: As `calculated_memory`.
    """
    policy, scorer = _sizes(config)
    lengths = most_lengths(config, policy)
    if lengths is None:
        return math.inf
    return max(memory_of(config, policy, scorer, stages(config), lengths).values())


def _sizes(config: RunConfig) -> tuple[Size, Size]:
    """Of the start policy, and of the reward model, which is made from it where none is named."""
    policy = size_of(config.models.policy, what="start policy")
    named = config.models.reward_model
    return policy, policy if named is None else size_of(named, what="reward model")


def stages(config: RunConfig) -> list[str]:
    """The run's stages in order."""
    named = []
    method = config.run.method
    if config.stages.sft_epochs > 0 or method == "sft":
        named.append("sft")
    learned = config.models.reward_source == "model" or method == "rm"
    if config.models.reward_model is None and learned:
        named.append("reward model")
    if method not in ("sft", "rm"):
        named.append(method)
    return [*named, "evaluation"]


def _prompt_tokens(config: RunConfig, policy: Size) -> float:
    """Mean prompt length: counted on the first rows where the file is here, else the limit."""
    longest = min(config.data.max_prompt_length, policy.context or 10**9)
    found = counted(config.data.data, config.models.policy)
    return 0.7 * longest if found is None else found.mean_prompt


def _update_seconds(
    config: RunConfig, policy: Size, scorer: Size, prompt: float, *, on_gpu: bool
) -> float:
    """One update: draw, score, and learn over several passes; with gae a critic as well."""
    networks = learners(config)
    episodes = config.ppo.episodes_per_update
    answer = 0.75 * config.sampling.response_length
    tokens = episodes * (prompt + answer)
    draw = _decode_seconds(config, policy, prompt, episodes, on_gpu=on_gpu)
    # Log-probs of policy and start policy, values, rewards.
    score = 2 * tokens * ((1 + networks) * policy.parameters + scorer.parameters)
    weights = networks * policy.parameters
    learn = _operations(config) * tokens * weights * config.ppo.num_ppo_epochs
    if config.models.gradient_checkpointing:
        learn *= 4 / 3
    micro_batches = -(-episodes // config.ppo.rows_at_once)
    passes = micro_batches * (2 + networks + networks * 3 * config.ppo.num_ppo_epochs)
    return draw + (score + learn) / speed(on_gpu=on_gpu) + passes * _call(policy, on_gpu=on_gpu)


def _decode_seconds(
    config: RunConfig, policy: Size, prompt: float, rows: int, *, on_gpu: bool
) -> float:
    answer = 0.75 * config.sampling.response_length
    arithmetic = 2 * policy.parameters * rows * (prompt + answer) / speed(on_gpu=on_gpu)
    reading = 2 * policy.parameters / GPU_BANDWIDTH if on_gpu else 0.0
    at_once = config.ppo.answers_at_once
    # Where an answer ends the next begins; the last ones wait for the longest.
    later = max(0, rows - at_once)
    steps = config.sampling.response_length + later / at_once * answer
    reads = 1 + later / (WAITING * at_once)
    call = policy.layers * DRAWN_CALL_SECONDS["gpu" if on_gpu else "cpu"]
    return arithmetic + steps * (call + reading) + reads * _call(policy, on_gpu=on_gpu)


def _evaluation_seconds(
    config: RunConfig, policy: Size, scorer: Size, prompt: float, *, on_gpu: bool
) -> float:
    rows = config.evaluation.eval_prompts
    tokens = rows * (prompt + config.sampling.response_length)
    score = 2 * tokens * (2 * policy.parameters + scorer.parameters) / speed(on_gpu=on_gpu)
    return _decode_seconds(config, policy, prompt, rows, on_gpu=on_gpu) + score


def _stage_seconds(config: RunConfig, policy: Size, prompt: float, *, on_gpu: bool) -> float:
    """SFT, reward model and DPO; 20 s stand for loading libraries and models."""
    pairs = _pair_count(config)
    length = prompt + config.sampling.response_length
    token_passes = 0.0
    steps = 0.0
    for name in stages(config):
        epochs, answers, batch = {
            "sft": (config.stages.sft_epochs or 1.0, 1, config.stages.sft_batch_size),
            "reward model": (config.stages.rm_epochs, 2, config.stages.rm_batch_size),
            "dpo": (config.stages.dpo_epochs, 8 / 3, config.stages.dpo_batch_size),
        }.get(name, (0.0, 0, 1))
        token_passes += epochs * answers * pairs * length
        steps += epochs * pairs / batch
    if learners(config) == 2:
        epochs = config.critic.critic_pretraining_epochs
        # Both answers are scored once and learned from; a step takes some micro-batch.
        token_passes += epochs * 2 * pairs * length
        steps += epochs * 2 * pairs / config.ppo.rows_at_once
    learn = _operations(config) * policy.parameters * token_passes / speed(on_gpu=on_gpu)
    return 20 + learn + steps * 3 * _call(policy, on_gpu=on_gpu)


def _pair_count(config: RunConfig) -> int:
    rows = rows_of(config.data.data)
    if rows is not None:
        return max(1, rows.count)
    return 90_000  # the paper's data sets, by Hub name


def learners(config: RunConfig) -> int:
    """Networks that training changes: the policy, and the critic where there is one."""
    return 2 if config.run.method in UPDATING and config.ppo.advantage == "gae" else 1


def _downloads(config: RunConfig, policy: Size, scorer: Size) -> list[Message]:
    named = []
    if not policy.local:
        named.append(_model(config.models.policy, policy))
    if config.models.reward_model is not None and not scorer.local:
        named.append(_model(config.models.reward_model, scorer))
    sources = (config.data.data, config.data.heldout, config.data.demonstrations)
    return named + [
        Message("launch.download_data", name=source)
        for source in sources
        if source and _is_hub_name(source)
    ]


def _model(name: str, size: Size) -> Message:
    return Message("launch.download_model", name=name, size=f"{2 * size.parameters / 1e9:.1f}")


def _is_hub_name(source: str) -> bool:
    return file_of(source) is None and source.count("/") == 1 and not source.startswith((".", "/"))


def _measured(config: RunConfig, store: Store) -> float | None:
    """Seconds an update took in earlier runs like this one, scaled to this run's episodes."""
    times = []
    for run in store.runs.all(statuses=("finished", "stopped"), limit=50):
        if not run.step or any(
            run.config[section].get(name, default_of(name))
            != getattr(getattr(config, section), name)
            for section, name in SAME_SPEED
        ):
            continue
        took = run.summary.get("seconds_per_update")
        if took:
            episodes = run.config["ppo"]["episodes_per_update"]
            times.append(took * config.ppo.episodes_per_update / episodes)
    return sorted(times)[len(times) // 2] if times else None


def _operations(config: RunConfig) -> int:
    """Operations a weight and token to learn; a frozen weight passes gradients on and has none."""
    return 4 if config.models.lora_rank else 6


def _call(policy: Size, *, on_gpu: bool) -> float:
    return policy.layers * CALL_SECONDS["gpu" if on_gpu else "cpu"]


def speed(*, on_gpu: bool) -> float:
    """Operations a second that training sustains.

    Reckoned, not timed: a timing on a busy machine says little about the hours to come. A core
    does 32 operations a cycle (8 numbers wide, two units, multiply and add); attention, softmax and
    memory leave about a third of that.
    """
    if on_gpu:
        return GPU_SPEED
    frequency = psutil.cpu_freq()
    hertz = 1e6 * (frequency.max or frequency.current) if frequency else 0.0
    # A run that starts alone takes every core.
    return 0.35 * 32 * (hertz or 2.5e9) * processes.cores()
