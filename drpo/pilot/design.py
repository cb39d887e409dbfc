"""A pilot: the smallest honest trial of resets on a team's own data.

Four steps: check the data; run small with and without resets, on the same seeds; read the verdict
on effect, risk and cost; decide what to scale. The state is one document of the store, so a pilot
can be left and come back to; its runs are ordinary runs of the queue with the story
`pilot:<id>`.

The two arms differ in the reset probability alone and share seeds, data and settings. What counts
is the difference on each seed: pairing takes out what the seeds have in common (data order, first
draws), which with three seeds is most of the spread.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from drpo.config.methods import NO_RESETS
from drpo.config.run_config import RunConfig, default_of
from drpo.errors import RunError
from drpo.runs import preflight
from drpo.store import Store
from drpo.store.runs import SOURCES
from drpo.store.schema import LIVE_STATUSES, Run
from drpo.system import control

KIND = "pilot"
"""The kind of its documents in the store."""

STEPS = ("data", "runs", "verdict", "decision")

Arm = Literal["resets", "plain"]
ARMS: tuple[Arm, ...] = ("resets", "plain")

Choice = Literal["", "scale_resets", "scale_plain", "repeat", "stop"]
CHOICES: tuple[Choice, ...] = ("scale_resets", "scale_plain", "repeat", "stop")

SEEDS = 3
DEFAULT_RESET_PROB = 0.5


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided, and on what scale."""

    choice: Choice = ""
    who: str = ""
    note: str = ""
    scale: dict[str, float] = field(default_factory=dict)
    """Updates, episodes an update, seeds and model size (times the pilot's) that it was for."""
    decided_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Pilot:
    """A pilot's state."""

    id: str
    name: str
    settings: dict[str, Any]
    """Leaf settings that both arms share: data, policy, reward model, updates and so on."""
    reset_prob: float = DEFAULT_RESET_PROB
    """Reset probability of the arm with resets; the other has 0."""
    seeds: tuple[int, ...] = tuple(range(SEEDS))
    decision: Decision = field(default_factory=Decision)
    created_at: float = field(default_factory=time.time)

    @property
    def story(self) -> str:
        """The mark on its runs."""
        return f"{KIND}:{self.id}"

    def config(self, arm: Arm, seed: int) -> RunConfig:
        """Settings of one of its runs.

        Raises:
            ConfigError: A setting is wrong.
        """
        resets = {"reset_prob": self.reset_prob} if arm == "resets" else NO_RESETS
        name = f"{self.name} {arm} {seed}"
        return RunConfig.of(**{**self.settings, "name": name, "seed": seed, **resets})


@dataclass(frozen=True, slots=True)
class Member:
    """One run of a pilot, planned or queued."""

    arm: Arm
    seed: int
    run: Run | None


def create(store: Store, name: str, settings: Mapping[str, Any]) -> Pilot:
    """Start a pilot.

    Args:
        store: Where it is kept.
        name: What people call it.
        settings: Leaf settings that both arms share.

    Raises:
        ConfigError: A setting is wrong, or one that the pilot itself sets was given.
    """
    settings = {"prompt_format": default_of("prompt_format"), **settings}
    pilot = Pilot(secrets.token_hex(4), name.strip() or "pilot", settings)
    for arm in ARMS:
        pilot.config(arm, 0)
    save(store, pilot)
    return pilot


def save(store: Store, pilot: Pilot) -> None:
    """Write a pilot's state."""
    store.documents.put(KIND, pilot.id, asdict(pilot))


def load(store: Store, pilot_id: str) -> Pilot:
    """Read a pilot's state.

    Raises:
        RunError: There is no such pilot.
    """
    body = store.documents.get(KIND, pilot_id)
    if body is None:
        raise RunError(f"No pilot {pilot_id!r} here; the Pilot screen lists those there are.")
    return _from_body(body)


def every(store: Store) -> list[Pilot]:
    """All pilots, the one changed last first."""
    return [_from_body(document.body) for document in store.documents.all(KIND)]


def plan(store: Store, pilot: Pilot, **changes: Any) -> Pilot:  # noqa: ANN401 - fields of Pilot
    """Change what will be run, while nothing has been queued.

    Raises:
        RunError: Runs were queued already.
        ConfigError: A setting is wrong.
    """
    if any(member.run for member in members(store, pilot)):
        raise RunError(
            f"The runs of the pilot {pilot.name!r} are queued, so its plan stands; start a new "
            "pilot for other settings."
        )
    changed = replace(pilot, **changes)
    for arm in ARMS:
        changed.config(arm, 0)
    save(store, changed)
    return changed


def members(store: Store, pilot: Pilot) -> list[Member]:
    """All runs of a pilot, seed by seed; a seed's newest run counts."""
    runs = store.runs.all(story=pilot.story, archived=True)
    newest: dict[tuple[Arm, int], Run] = {}
    for run in sorted(runs, key=lambda run: run.created_at):
        config = RunConfig.from_nested(run.config)
        arm: Arm = "resets" if config.reset.reset_prob > 0 else "plain"
        newest[arm, config.run.seed] = run
    return [Member(arm, seed, newest.get((arm, seed))) for seed in pilot.seeds for arm in ARMS]


def launch(store: Store, pilot: Pilot) -> list[Run]:
    """Queue what is planned and not there yet; send back what ended early. Safe to repeat.

    Both arms of a seed are queued together, so that a pilot that is cut short has whole pairs. All
    runs learn from the versions of saved data sets that were the newest when the first was queued.

    Raises:
        DrpoError: The runs cannot start; nothing was queued.
    """
    planned = members(store, pilot)
    pinned = _pinned(store, pilot, planned)
    preflight.check(pinned.config("resets", pinned.seeds[0]), store)
    if pinned != pilot:
        save(store, pinned)
    queued = []
    for member in planned:
        if member.run is None:
            config = pinned.config(member.arm, member.seed)
            queued.append(store.runs.create(config, story=pilot.story))
        elif member.run.status in control.RESUMABLE:
            control.resume(store, member.run.id, "pilot")
            queued.append(store.runs.get(member.run.id))
    return queued


def _pinned(store: Store, pilot: Pilot, planned: Sequence[Member]) -> Pilot:
    """The pilot with its saved data sets named by their versions, those of its first run."""
    begun = next((member.run for member in planned if member.run), None)
    config = RunConfig.from_nested(begun.config) if begun else pilot.config("resets", 0)
    data = store.runs.pinned(config).data
    return replace(
        pilot, settings={**pilot.settings, **{leaf: getattr(data, leaf) for leaf in SOURCES}}
    )


def stop(store: Store, pilot: Pilot) -> None:
    """Ask all live runs of a pilot to save and stop."""
    for member in members(store, pilot):
        if member.run is not None and member.run.status in LIVE_STATUSES:
            control.stop(store, member.run.id, "pilot")


def progress(planned: Sequence[Member]) -> tuple[int, int]:
    """Updates done and updates planned, over all runs."""
    done = sum(member.run.step for member in planned if member.run)
    per_run = [member.run.config["ppo"]["updates"] for member in planned if member.run]
    total = sum(per_run) + (len(planned) - len(per_run)) * (per_run[0] if per_run else 0)
    return done, total


def decide(
    store: Store,
    pilot: Pilot,
    choice: Choice,
    *,
    who: str = "",
    note: str = "",
    scale: Mapping[str, float] | None = None,
) -> Pilot:
    """Write down what a person decided.

    Raises:
        RunError: There is no such choice.
    """
    if choice not in CHOICES:
        raise RunError(f"A pilot's decision is one of {', '.join(CHOICES)}; got {choice!r}.")
    decision = Decision(choice, who, note, dict(scale or {}), time.time())
    decided = replace(pilot, decision=decision)
    save(store, decided)
    return decided


def scaled(pilot: Pilot) -> RunConfig:
    """Settings of the run that the decision to scale asks for; its name and seed stay open.

    The size of the model is not among them: a larger model is another start policy to choose.

    Raises:
        ConfigError: The scale contradicts the pilot's settings.
    """
    made = pilot.decision
    prob = pilot.reset_prob if made.choice == "scale_resets" else 0.0
    config = RunConfig.of(**{**pilot.settings, "reset_prob": prob})
    length = config.sampling.response_length * made.scale.get("length_times", 1.0)
    sizes = {
        leaf: int(made.scale[leaf])
        for leaf in ("updates", "episodes_per_update")
        if leaf in made.scale
    }
    return config.replace(**sizes, response_length=max(1, round(length)))


def _from_body(body: Mapping[str, Any]) -> Pilot:
    return Pilot(
        **{
            **body,
            # Pilots stored before conversations were rendered read prompts as text.
            "settings": {"prompt_format": "text", **body["settings"]},
            "seeds": tuple(body["seeds"]),
            "decision": Decision(**body["decision"]),
        }
    )
