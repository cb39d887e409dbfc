"""The smoke test's steps that train in this process; each returns what it found in a few words."""

from __future__ import annotations

import gc
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

import drpo
from benchmarks.gpu.material import SMALL, Shape, make_models, make_pairs
from benchmarks.gpu.parity import compare_devices
from drpo.metrics import EVAL_KL, OBJECTIVE_KL, POLICY_APPROXKL_AVG
from drpo.playground.engine import Engine
from drpo.rl import checkpoint_folders
from drpo.runs.run_outcome import plain_sentence

MIB = 2**20
KEPT = 128 * MIB
"""What a process may go on holding: cuBLAS keeps 32 MiB of workspace for each thread on Hopper."""
FIGURES = {"sft": "sft", "rm": "reward_model", "dpo": "dpo"}
"""Under which name in `models/` the methods without updates leave what they measured."""
FLOAT16 = {"dtype": "float16", "lora_rank": 16, "reward_model": None, "sft_epochs": 1.0}
METHODS: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("DR-PO, all weights", 0, {}),
    ("DR-PO, LoRA", 2, {"lora_rank": 16}),
    ("DR-PO after SFT and a reward model", 0, {"reward_model": None, "sft_epochs": 1.0}),
    ("DR-PO, LoRA, activations recomputed", 1, {"lora_rank": 16, "gradient_checkpointing": True}),
    ("SFT", 1, {"method": "sft"}),
    ("reward model, LoRA", 0, {"method": "rm", "reward_model": None, "lora_rank": 16}),
    ("DPO", 0, {"method": "dpo"}),
    ("DPO, LoRA", 2, {"method": "dpo", "lora_rank": 16}),
    ("best of n", 0, {"method": "best_of_n"}),
    (
        "RLOO, LoRA, resampled",
        0,
        {"advantage": "rloo", "lora_rank": 16, "zero_spread_groups": "resample"},
    ),
    ("GRPO, KL in the loss", 1, {"advantage": "grpo", "kl_placement": "loss"}),
    (
        "exact KL, critic from the reward model",
        0,
        {"kl_estimator": "exact", "critic_init": "reward_model"},
    ),
    ("roll-in resets, adaptive KL", 0, {"reset_source": "rollin", "kl_schedule": "adaptive"}),
    ("DR-PO, float32", 1, {"dtype": "float32"}),
    ("DR-PO, float16", 0, {"dtype": "float16"}),
    ("DR-PO after a reward model, LoRA, float16", 2, FLOAT16),
)
"""Name, which of the small shapes, settings."""


@dataclass(frozen=True)
class Material:
    """What all steps work on."""

    folder: Path
    device: str
    quick: bool
    """Tinier, for a processor."""

    def shape(self, at: int = 0) -> Shape:
        """One of the small shapes."""
        return SMALL[at].tiny() if self.quick else SMALL[at]

    def models(self, at: int = 0) -> tuple[Path, Path]:
        """Policy and reward model of a small shape, made when first asked for."""
        shape = self.shape(at)
        out = self.folder / shape.kind
        if not out.is_dir():
            # Wider than usual, so that a random model's choices are far from even.
            place = torch.device(self.device)
            make_models(shape, out, place, torch.float32, initializer_range=0.1)
        return out / "policy", out / "reward"

    def pairs(self) -> list[drpo.Pair]:
        """What every run here trains on."""
        count, longest = (24, 12) if self.quick else (96, 64)
        return make_pairs(count, self.shape(), (4, longest), (3, 10))

    def settings(self, at: int = 0, **changed: Any) -> dict[str, Any]:  # noqa: ANN401
        """A run of few updates on the device: DR-PO in bfloat16 where nothing else is said."""
        policy, reward = self.models(at)
        values = {
            "data": "pairs",
            "policy": str(policy),
            "reward_model": str(reward),
            "device": self.device,
            "dtype": "bfloat16",
            "updates": 2,
            "episodes_per_update": 8 if self.quick else 16,
            "micro_batch_size": 4,
            "response_length": 8 if self.quick else 24,
            "num_ppo_epochs": 2,
            "critic_warmup_steps": 4,
            "learning_rate": 1e-4,
            "eval_every": 2,
            "eval_prompts": 4,
            "sample_prompts": 2,
            "checkpoint_every": 1,
            "reset_prob": 0.5,
            "sft_batch_size": 8,
            "rm_batch_size": 8,
            "dpo_batch_size": 8,
            "best_of_n": 2,
        }
        return values | changed

    def train(self, place: str, at: int = 0, **changed: Any) -> drpo.Run:  # noqa: ANN401
        """Train in this process, in a folder of the given name."""
        config = drpo.RunConfig.of(**self.settings(at, **changed))
        folder = self.folder / "runs" / place
        return drpo.train(config, pairs=self.pairs(), folder=folder, progress=False)


def clean_up() -> None:
    """Give back what nobody refers to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def check(*, holds: bool, otherwise: str) -> None:
    """Fail the step with a sentence."""
    if not holds:
        raise RuntimeError(otherwise)


def steps(material: Material) -> list[tuple[str, Callable[[], str]]]:
    """Name and deed of every step, ordered by worth."""
    found: list[tuple[str, Callable[[], str]]] = []
    for at in range(1 if material.quick else len(SMALL)):
        name = f"float32 as on the processor, {material.shape(at).name}"
        found.append((name, lambda at=at: parity(material, at, "float32", 1e-3)))
    # Eight bits of mantissa: each product is off by up to 1/256 and errors add up over layers.
    name = "bfloat16 near float32 on the processor"
    found.append((name, lambda: parity(material, 0, "bfloat16", 0.2)))
    for name, at, changed in METHODS:
        act = lambda name=name, at=at, changed=changed: method(material, name, at, changed)  # noqa: E731
        found.append((name, act))
    for kind, changed in (("all weights", {}), ("LoRA", {"lora_rank": 16})):
        act = lambda kind=kind, changed=changed: resumed(material, kind, changed)  # noqa: E731
        found.append((f"stopped and resumed, {kind}", act))
    return [
        *found,
        ("evaluation of two runs", lambda: evaluated(material)),
        ("playground", lambda: played(material)),
        ("out of memory", lambda: out_of_memory(material)),
        ("memory given back", nothing_left),
    ]


def parity(material: Material, at: int, dtype: str, most: float) -> str:
    """Hold the device against the processor in float32, on one update."""
    config = drpo.RunConfig.of(**material.settings(at))
    found = compare_devices(config, material.pairs(), material.device, dtype)
    farthest = max(found.log_probs, found.values, found.gradients)
    check(holds=farthest < most, otherwise=f"farther apart than {most:g}: {found}")
    return str(found)


def method(material: Material, name: str, at: int, changed: dict[str, Any]) -> str:
    """Train, see that all figures are numbers; export, load what was exported, let it write."""
    place = name.replace(" ", "-").replace(",", "")
    run = material.train(place, at, **changed)
    check(holds=run.status == "finished", otherwise=f"the run is {run.status}")
    said = figures_of(run)
    if run.config.run.method == "best_of_n":
        return said
    out = run.export(material.folder / "exports" / place)
    if run.config.run.method == "rm":
        AutoModelForSequenceClassification.from_pretrained(out)
        return said
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.bfloat16).to(material.device)
    ids = AutoTokenizer.from_pretrained(out)(material.pairs()[0].prompt, return_tensors="pt")
    written = model.generate(
        input_ids=ids["input_ids"].to(material.device),
        attention_mask=ids["attention_mask"].to(material.device),
        max_new_tokens=8,
    )
    longer = written.shape[1] > ids["input_ids"].shape[1]
    check(holds=longer, otherwise="the exported model wrote nothing")
    moved = distance(out, Path(run.config.models.policy))
    check(holds=0 < moved < 1, otherwise=f"the export is {moved:.1e} from the start policy")
    return f"{said}; exported weights moved by {moved:.1e}"


def figures_of(run: drpo.Run) -> str:
    """What a run came to, in a few words; every figure must be a number."""
    measured = run.metrics()
    found = {} if measured.empty else dict(measured.iloc[-1].dropna())
    own = run.folder / "models" / f"{FIGURES.get(run.config.run.method, '-')}.json"
    if own.is_file():
        found |= json.loads(own.read_text(encoding="utf-8"))
    check(holds=bool(found), otherwise="nothing was measured")
    bad = [name for name, value in found.items() if not math.isfinite(value)]
    check(holds=not bad, otherwise=f"not finite: {', '.join(bad)}")
    shown = (OBJECTIVE_KL, POLICY_APPROXKL_AVG, EVAL_KL, "loss", "accuracy")
    return ", ".join(f"{name} {found[name]:.3g}" for name in shown if name in found)


def distance(one: Path, other: Path) -> float:
    """How far two folders' weights are apart, over their length."""
    ours, theirs = weights(one), weights(other)
    shared = sorted(ours.keys() & theirs.keys())
    check(holds=bool(shared), otherwise=f"{one} and {other} have no weight in common")
    far = sum(float((ours[n].double() - theirs[n].double()).square().sum()) for n in shared)
    return math.sqrt(far / sum(float(theirs[n].double().square().sum()) for n in shared))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a model's or an adapter's folder."""
    return {
        name: tensor
        for file in folder.glob("*.safetensors")
        for name, tensor in load_file(file).items()
    }


class StopAt(drpo.Observer):
    """Asks to stop after some updates."""

    def __init__(self, step: int) -> None:
        self.step = step

    def control(self, step: int) -> drpo.Control:
        """Stop when it is time."""
        return drpo.Control(stop=step >= self.step)


def resumed(material: Material, kind: str, changed: dict[str, Any]) -> str:
    """A run that was stopped and went on ends as close to another as the same run made twice."""
    config = drpo.RunConfig.of(**material.settings(updates=2, eval_every=1, **changed))
    pairs = material.pairs()
    places = [material.folder / "runs" / f"{kind}-{part}" for part in ("one", "same", "cut")]
    for place in places[:2]:
        drpo.train(config, pairs=pairs, folder=place, progress=False)
    cut = drpo.train(config, pairs=pairs, folder=places[2], observer=StopAt(1), progress=False)
    stopped = cut.status == "stopped" and cut.step == 1
    check(holds=stopped, otherwise=f"{cut.status} at update {cut.step}")
    drpo.train(config, pairs=pairs, folder=places[2], progress=False)
    kept = [checkpoint_folders.policies(place / "checkpoints") for place in places]
    return same_end(kept[0][2], kept[1][2], kept[2][2], before=kept[0][1])


def same_end(straight: Path, again: Path, cut: Path, *, before: Path) -> str:
    """Compare where three runs of the same settings ended.

    Where a device repeats itself to the last bit, a resume must too; where its kernels add up in
    any order, two straight runs differ, and a resume may differ as much.
    """
    repeated, went_on = distance(again, straight), distance(cut, straight)
    moved = distance(straight, before)
    said = (
        f"repeated {repeated:.1e} apart, resumed {went_on:.1e}; the last update moves {moved:.1e}"
    )
    check(holds=went_on <= 3 * repeated, otherwise=said)
    return said


def evaluated(material: Material) -> str:
    """Two finished runs side by side."""
    runs = [material.train("left"), material.train("right", lora_rank=8, seed=1)]
    found = drpo.evaluate(*runs, prompts=4, progress=False)
    check(holds=len(found.contestants) == 2, otherwise="a run is missing")
    return f"{len(found.duels)} comparisons"


def played(material: Material) -> str:
    """A trained checkpoint answers through the playground's engine, token by token."""
    run = material.train("played", lora_rank=8)
    policy, reward = material.models()
    trained = checkpoint_folders.policies(run.folder / "checkpoints")[2]
    source = {"run_id": run.id, "step": 2, "policy": str(trained), "start": str(policy)}
    request = {
        "op": "write",
        "sources": [{**source, "reward": str(reward)}],
        "prompt": material.pairs()[0].prompt,
        "prefix": "",
        "sampling": {"max_tokens": 6},
    }
    engine = Engine()
    lines = list(engine.answer(request))
    wrong = [line["message"] for line in lines if line["kind"] == "error"]
    check(holds=not wrong, otherwise=" ".join(wrong))
    tokens = sum(line["kind"] == "token" for line in lines)
    check(holds=tokens > 0, otherwise="no token came")
    return f"{tokens} tokens on {engine.device}"


def out_of_memory(material: Material) -> str:
    """A run that does not fit says so in a sentence, and leaves the memory to the next one."""
    if not torch.cuda.is_available():
        return "no GPU here that could be full"
    torch.cuda.set_per_process_memory_fraction(256 * MIB / torch.cuda.mem_get_info()[1])
    sizes = {"response_length": 500, "episodes_per_update": 64, "micro_batch_size": 64}
    said = "it fitted into 256 MiB"
    try:
        material.train("too-large", **sizes)
    except Exception as error:
        said = plain_sentence(error, material.folder)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    check(holds=said.startswith("Out of memory"), otherwise=said)
    return nothing_left()


def nothing_left() -> str:
    """See that none of the steps holds on to memory."""
    clean_up()
    taken = torch.cuda.memory_allocated() if torch.cuda.is_available() else 0
    check(holds=taken < KEPT, otherwise=f"{taken / MIB:.0f} MiB are still taken")
    return f"{taken / MIB:.0f} MiB still taken"
