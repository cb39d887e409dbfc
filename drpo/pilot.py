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
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from drpo import orders, preflight
from drpo.config import RunConfig
from drpo.errors import RunError
from drpo.evaluation.statistics import PairedDifference, paired_difference
from drpo.store import Store
from drpo.store.schema import LIVE_STATUSES, Run
from drpo.verdict import (
    Call,
    Comparison,
    Judge,
    Risk,
    call_of,
    compare,
    cost_of,
    evaluated,
    pooled,
    risk_of,
    scores_at,
)

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
        prob = self.reset_prob if arm == "resets" else 0.0
        name = f"{self.name} {arm} {seed}"
        return RunConfig.of(**{**self.settings, "name": name, "seed": seed, "reset_prob": prob})


@dataclass(frozen=True, slots=True)
class Member:
    """One run of a pilot, planned or queued."""

    arm: Arm
    seed: int
    run: Run | None


@dataclass(frozen=True, slots=True)
class ArmResult:
    """What one arm did, over its finished seeds."""

    runs: tuple[Run, ...]
    against_start: Comparison | None
    """Last answers against the start policy's, all seeds together."""
    finals: tuple[float, ...]
    """Held-out score at the end, one a seed, in the order of `PilotResult.seeds`."""
    risks: tuple[Risk, ...]
    seconds: tuple[float, ...]
    episodes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PilotResult:
    """The verdict on a pilot, from the seeds that finished in both arms."""

    seeds: tuple[int, ...]
    judge: Judge | None
    """Whose score is compared: gold where the data know it, else the reward model."""
    resets: ArmResult
    plain: ArmResult
    effect: PairedDifference
    """Final held-out score with resets less that without, seed by seed."""
    head_to_head: Comparison | None
    """Answers with resets against answers without, same prompts and seeds."""
    kl_difference: PairedDifference
    seconds_difference: PairedDifference

    @property
    def call(self) -> Call:
        """What the interval of the effect allows to say."""
        return call_of(self.effect.t, 0.0)


def create(store: Store, name: str, settings: Mapping[str, Any]) -> Pilot:
    """Start a pilot.

    Args:
        store: Where it is kept.
        name: What people call it.
        settings: Leaf settings that both arms share.

    Raises:
        ConfigError: A setting is wrong, or one that the pilot itself sets was given.
    """
    pilot = Pilot(secrets.token_hex(4), name.strip() or "pilot", dict(settings))
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

    Both arms of a seed are queued together, so that a pilot that is cut short has whole pairs.

    Raises:
        DrpoError: The runs cannot start; nothing was queued.
    """
    planned = members(store, pilot)
    preflight.check(pilot.config("resets", pilot.seeds[0]), store)
    queued = []
    for member in planned:
        if member.run is None:
            config = pilot.config(member.arm, member.seed)
            queued.append(store.runs.create(config, story=pilot.story))
        elif member.run.status in orders.RESUMABLE:
            orders.resume(store, member.run.id, "pilot")
            queued.append(store.runs.get(member.run.id))
    return queued


def stop(store: Store, pilot: Pilot) -> None:
    """Ask all live runs of a pilot to save and stop."""
    for member in members(store, pilot):
        if member.run is not None and member.run.status in LIVE_STATUSES:
            orders.stop(store, member.run.id, "pilot")


def progress(planned: Sequence[Member]) -> tuple[int, int]:
    """Updates done and updates planned, over all runs."""
    done = sum(member.run.step for member in planned if member.run)
    per_run = [member.run.config["ppo"]["updates"] for member in planned if member.run]
    total = sum(per_run) + (len(planned) - len(per_run)) * (per_run[0] if per_run else 0)
    return done, total


def read(store: Store, pilot: Pilot) -> PilotResult:
    """Judge a pilot by the seeds that have finished in both arms so far."""
    finished: dict[Arm, dict[int, Run]] = {arm: {} for arm in ARMS}
    for member in members(store, pilot):
        if member.run is not None and member.run.status == "finished":
            finished[member.arm][member.seed] = member.run
    seeds = tuple(sorted(finished["resets"].keys() & finished["plain"].keys()))
    pairs = [(finished["resets"][seed], finished["plain"][seed]) for seed in seeds]
    judge = _judge_of([run for pair in pairs for run in pair])
    resets = _arm_result(store, [pair[0] for pair in pairs], judge)
    plain = _arm_result(store, [pair[1] for pair in pairs], judge)
    return PilotResult(
        seeds=seeds,
        judge=judge,
        resets=resets,
        plain=plain,
        effect=paired_difference(resets.finals, plain.finals),
        head_to_head=_head_to_head(store, pairs, judge),
        kl_difference=_kl_difference(resets, plain),
        seconds_difference=paired_difference(resets.seconds, plain.seconds),
    )


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


@dataclass(frozen=True, slots=True)
class ScaleCost:
    """What a larger trial would take, from the speed the pilot saw."""

    seconds: float
    low: float
    high: float
    """The slowest and the fastest of the pilot's runs, scaled alike: a range seen, not a bound."""
    episodes: int
    updates: int


def scale_cost(
    arm: ArmResult,
    *,
    updates: int,
    episodes_per_update: int,
    seeds: int = 1,
    model_times: float = 1.0,
    length_times: float = 1.0,
) -> ScaleCost | None:
    """Estimate what a scaled trial would take on the same machine.

    Time grows in proportion to episodes, answer length and the model's parameters: that holds
    while the machine is busy, and is too high for a small model that leaves it idle.

    Args:
        arm: The finished runs to go by.
        updates: Updates of a run.
        episodes_per_update: Episodes of an update.
        seeds: Runs.
        model_times: Parameters, times those of the pilot's model.
        length_times: Longest answer, times the pilot's.

    Returns:
        None when the pilot has no finished run to go by.
    """
    rates = [
        seconds / episodes
        for seconds, episodes in zip(arm.seconds, arm.episodes, strict=True)
        if episodes and seconds
    ]
    if not rates:
        return None
    episodes = updates * episodes_per_update * seeds
    times = episodes * model_times * length_times
    return ScaleCost(
        seconds=statistics.median(rates) * times,
        low=min(rates) * times,
        high=max(rates) * times,
        episodes=episodes,
        updates=updates * seeds,
    )


def _from_body(body: Mapping[str, Any]) -> Pilot:
    return Pilot(
        **{**body, "seeds": tuple(body["seeds"]), "decision": Decision(**body["decision"])}
    )


def _judge_of(runs: Sequence[Run]) -> Judge | None:
    """The strongest judge that knows the final answers of all runs."""
    ends = [run.summary.get("last") or {} for run in runs]
    if not ends:
        return None
    if all(end.get("gold") is not None for end in ends):
        return "gold"
    return "reward_model" if all(end.get("scores") is not None for end in ends) else None


def _arm_result(store: Store, runs: Sequence[Run], judge: Judge | None) -> ArmResult:
    figure = "gold" if judge == "gold" else "scores"
    against = []
    for run in runs:
        first, last = evaluated(store, run)
        if judge is not None and first is not None and last is not None:
            new, old = scores_at(store, run.id, last, judge), scores_at(store, run.id, first, judge)
            one = compare(new, old, judge)
            against += [one] if one else []
    costs = [cost_of(run) for run in runs]
    return ArmResult(
        runs=tuple(runs),
        against_start=pooled(judge, against) if judge else None,
        finals=tuple(float(run.summary["last"][figure]) for run in runs) if judge else (),
        risks=tuple(risk_of(store, run) for run in runs),
        seconds=tuple(cost.seconds for cost in costs),
        episodes=tuple(cost.episodes for cost in costs),
    )


def _head_to_head(
    store: Store, pairs: Sequence[tuple[Run, Run]], judge: Judge | None
) -> Comparison | None:
    if judge is None:
        return None
    parts = []
    for pair in pairs:
        with_resets, without = (
            scores_at(store, run.id, store.samples.last_step(run.id) or 0, judge) for run in pair
        )
        one = compare(with_resets, without, judge)
        parts += [one] if one else []
    return pooled(judge, parts)


def _kl_difference(resets: ArmResult, plain: ArmResult) -> PairedDifference:
    both = [
        (mine.kl, theirs.kl)
        for mine, theirs in zip(resets.risks, plain.risks, strict=True)
        if mine.kl is not None and theirs.kl is not None
    ]
    return paired_difference([mine for mine, _ in both], [theirs for _, theirs in both])
