"""What a screen asks the playground for, and which checkpoints there are to ask. No torch.

A request and each answer to it is one line of JSON. Answers come as they are made:

    {"kind": "weights", "at": 0, "weights": "4f0c..."}      first: the hash of what will write
    {"kind": "given", "at": 0, "tokens": [token, ...]}      the prefix, read but not written
    {"kind": "token", "at": 0, "token": token}              one more token from checkpoint 0
    {"kind": "end",   "at": 0, "finished": true, "score": 1.2, "token_scores": [...] or null,
                      "pooling": "sum", "gold": 0.4 or null}
    {"kind": "error", "at": 0, "message": "..."}            this checkpoint cannot answer
    {"kind": "done"}                                        nothing more will come

An answer's continuations come as follows instead, after the hash:

    {"kind": "tokens", "at": 0, "tokens": ["text", ...], "facts": {...} or null}
    {"kind": "beat",   "at": 0, "position": 5}              one more token there, in every row
    {"kind": "continuations", "at": 0, "position": 5,
                      "continuations": [{"text", "finished", "score", "gold"}, ...]}

where a token is {"text", "log_prob", "start_log_prob", "kl"}: its log-probability under the
checkpoint and under the start policy, and the KL between their whole next-token distributions at
this place, all in nats at temperature 1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from drpo.errors import ConfigError, RunError
from drpo.home import outline
from drpo.store import run_folder
from drpo.store.schema import Run

MOST = 4
"""Checkpoints asked at once, and kept in memory."""
LONGEST = 2048
"""Tokens that one answer may have."""
BRANCHES = "branches"
"""Under which kind of document an answer's continuations are kept."""
START = -1
"""Stands for the start policy where a step is asked for."""


@dataclass(frozen=True, slots=True)
class PlaygroundSource:
    """One policy that can be asked, with what it is compared with and judged by."""

    run_id: str
    step: int
    """Policy updates done; -1 is the policy that the run started from."""
    policy: str
    start: str
    reward: str | None
    prompt_format: Literal["auto", "chat", "text"] = "text"
    """How its run reads prompts."""
    chat_template: str | None = None
    data: str = ""
    """The data of its run, whose gold score scores answers where it asks for no facts."""

    def to_json(self) -> dict[str, Any]:
        """The source as a request holds it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers are drawn."""

    temperature: float = 1.0
    """0 is greedy."""
    top_p: float = 1.0
    max_tokens: int = 64
    seed: int = 0
    """The same seed gives all checkpoints the same noise, so differences are theirs."""

    def checked(self) -> Sampling:
        """The settings, if they make sense.

        Raises:
            ConfigError: One is out of its range.
        """
        ranges = {
            "temperature": (self.temperature, 0.0, 5.0),
            "top_p": (self.top_p, 0.01, 1.0),
            "max_tokens": (self.max_tokens, 1, LONGEST),
            "seed": (self.seed, 0, 2**31 - 1),
        }
        for name, (value, low, high) in ranges.items():
            if not low <= value <= high:
                raise ConfigError(f"{name}: expected {low:g} to {high:g}, got {value:g}.")
        return self


def sources_of(run: Run) -> list[PlaygroundSource]:
    """The policies of a run that are kept, the start policy first, then by step.

    A run that has saved nothing yet has its start policy only.
    """
    folder = run_folder(run.id)
    outline(folder)
    models = run.config["models"]
    method = run.config["run"]["method"]
    tuned = folder / "models" / "sft"
    start = str(tuned) if tuned.is_dir() and method != "sft" else models["policy"]
    trained = folder / "models" / "reward_model"
    reward = models["reward_model"] or (str(trained) if trained.is_dir() else None)
    kept = {
        int(path.parent.name.removeprefix("step-")): path
        for path in folder.glob("checkpoints/step-*/policy")
    }
    if method in ("sft", "dpo") and (folder / "models" / method).is_dir():
        kept[run.step] = folder / "models" / method
    data = run.config["data"]
    reads = (data.get("prompt_format", "text"), data.get("chat_template"), data["data"])
    return [
        PlaygroundSource(run.id, step, policy, start, reward, *reads)
        for step, policy in [(START, start), *((step, str(kept[step])) for step in sorted(kept))]
    ]


def source_of(run: Run, step: int) -> PlaygroundSource:
    """The policy of one step.

    Raises:
        RunError: It was not kept.
    """
    sources = sources_of(run)
    found = next((source for source in sources if source.step == step), None)
    if found is None:
        have = ", ".join(str(s.step) for s in sources if s.step != START) or "none yet"
        raise RunError(f"{run.id} has no policy of step {step}; kept steps: {have}.")
    return found


def socket_note(workspace: Path) -> Path:
    """Where the engine says how it can be reached; readable by its owner only."""
    return workspace / "playground.json"
