"""DR-PO, top to bottom.

What is kept of arXiv:2404.08495: episodes start part-way through offline answers, only what the
policy wrote is stored, rewarded and trained on, and PPO with a KL brake improves it. What differs
from the authors' code is masked here and not there: see `drpo.rl.rollout` for the layout and
`drpo.rl.resets` for the depth of a reset. With `reset_prob` 0 this is plain PPO.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

from drpo import metrics
from drpo.config.methods import resume_settings
from drpo.config.run_config import RunConfig
from drpo.data.pairs import Pair
from drpo.modeling.interrupt import StopAskedError, stops_between_passes
from drpo.modeling.models import Models
from drpo.rl import checkpoint
from drpo.rl.batches import Episodes, prepare_episodes
from drpo.rl.checkpoint import TrainState
from drpo.rl.completions import gold_of
from drpo.rl.credit import assign_credit
from drpo.rl.critic_pretraining import pretrain_critic
from drpo.rl.critic_updates import critic_minibatches, learn_critic, prepare_critic
from drpo.rl.experience import collect
from drpo.rl.heldout import HeldOut
from drpo.rl.metrics import Clock, Update, metrics_of, samples_of
from drpo.rl.minibatches import split_minibatches
from drpo.rl.optimizer import set_step_size
from drpo.rl.own_draws import draw_successes, keep_from_update
from drpo.rl.ppo import learn, old_policy_stats
from drpo.rl.undo import Undo
from drpo.types import Control, Observer, known

_POLL_SECONDS = 0.5
"""How often a paused run asks whether to go on."""


def train(
    models: Models,
    pairs: Sequence[Pair],
    heldout: Sequence[Pair],
    config: RunConfig,
    observer: Observer,
    *,
    checkpoint_dir: Path,
    state: TrainState | None = None,
    demonstrations: Sequence[Pair] = (),
) -> TrainState:
    """Train `models.policy` until the last update, or until somebody asks to stop.

    Args:
        models: From `load_models`; changed in place.
        pairs: Preference pairs to train on.
        heldout: Pairs whose prompts are evaluated on, disjoint from `pairs`.
        config: The run.
        observer: Takes metrics, samples and events, and returns what people asked for.
        checkpoint_dir: Where checkpoints go; the last one is written on every return, unless
            somebody stopped before the first update could begin.
        state: From `checkpoint.load`, to go on; None begins anew.
        demonstrations: Answers (`chosen`) for the reset source of that name.

    Returns:
        The state after the last update done.

    Raises:
        DataError: A prompt does not fit, or there is nothing to reset into.
        TrainingDivergedError: Something became NaN or infinite; the last checkpoint is good.
    """
    heldout_set = HeldOut(models, heldout, config)
    begun = state is None
    state = state or TrainState.begin(models, config)
    # Before the data are read: whoever waits for a first figure sees it seconds sooner.
    owes = begun or state.owes_evaluation
    evaluated = not owes or _evaluate(models, heldout_set, state, config, observer, checkpoint_dir)
    if begun and not evaluated:
        return state
    episodes = prepare_episodes(
        models, pairs, config, demonstrations=demonstrations, observer=observer
    )
    if begun and not (
        pretrain_critic(models, episodes, state.optimizer, config, observer)
        and draw_successes(state, episodes, observer)
    ):
        return state

    for step in range(state.step, config.ppo.updates):
        if not _apply_control(models, state, config, observer, checkpoint_dir):
            break
        observer.progress("training", step, config.ppo.updates)
        update = _update_or_none(models, episodes, state, config, step, observer)
        if update is None:
            break

        state.step, state.episodes = step + 1, state.episodes + len(update.starts)
        state.num_tokens += update.drawn.num_tokens
        state.score = None
        _steer(state, update, models)
        observer.metrics(state.step, metrics_of(update, state, episodes))
        observer.samples(samples_of(update, state.step, episodes))
        if state.step % config.evaluation.eval_every == 0 or state.step == config.ppo.updates:
            _evaluate(models, heldout_set, state, config, observer, checkpoint_dir)
        if state.step % config.run.checkpoint_every == 0 and state.step < config.ppo.updates:
            _save(models, state, observer, checkpoint_dir)

    _save(models, state, observer, checkpoint_dir)
    observer.progress("training", state.step, config.ppo.updates)
    return state


def _update_or_none(
    models: Models,
    episodes: Episodes,
    state: TrainState,
    config: RunConfig,
    step: int,
    observer: Observer,
) -> Update | None:
    """Make one update, or none of it where somebody asks to stop meanwhile.

    Models so large that they are not kept beside themselves finish what they have begun to learn.
    """
    small = models.policy_bytes() <= checkpoint.SNAPSHOT_LIMIT
    undo = Undo.of(models, state.optimizer) if small else None

    def asked() -> bool:
        learning = undo is None and any(p.grad is not None for p in models.trained().values())
        return not learning and observer.should_stop()

    try:
        with stops_between_passes(models.networks(), asked, models.ranks):
            return _one_update(models, episodes, state, config, step)
    except StopAskedError:
        if undo is not None:
            undo.restore(models, state.optimizer)
        return None


def _one_update(
    models: Models, episodes: Episodes, state: TrainState, config: RunConfig, step: int
) -> Update:
    clock = Clock()
    kl_coef = state.kl.at(step, config.ppo.updates)
    reset_prob = state.reset.at(step, config.ppo.updates)
    lr = set_step_size(state.optimizer, config, step, base=state.learning_rate)
    weights = models.ranks.alike("The policy's weights", models.weights_hash())

    # 1. Start at the prompt or part-way through an offline answer, act, and score whole answers.
    drawn = collect(models, episodes, config, step, reset_prob, clock, state.curriculum)
    rollout, living = drawn.rollout, drawn.living(config)

    # 2. Measure KL, and what the critic foresees, where the policy acted.
    devices = models.ranks.size
    epochs = split_minibatches(rollout, config, step, living, ranks=devices)
    old = old_policy_stats(models, rollout, epochs, config)
    credit = assign_credit(drawn.scores, old, rollout.acted, config, kl_coef)
    clock.lap(metrics.TIMING_S_SCORING)

    # 3. Assign credit: against the critic, or against the other episodes of the group.
    if models.critic is not None:
        old = prepare_critic(models, state.optimizer, rollout, old, credit, config, step)
        credit = assign_credit(drawn.scores, old, rollout.acted, config, kl_coef)
        clock.lap(metrics.TIMING_S_LEARNING)

    # 4. Learn: first the policy, then the critic.
    learned = learn(
        models, state.optimizer, rollout, old, credit, epochs, config, kl_coef, drawn.starts
    )
    if models.critic is not None:
        cuts = critic_minibatches(rollout, config, step, living, ranks=devices)
        learned |= learn_critic(models, state.optimizer, rollout, old, credit, cuts, config)
    clock.lap(metrics.TIMING_S_LEARNING)

    return Update(
        drawn=drawn,
        gold=gold_of(models.gold, drawn.completions),
        old=old,
        credit=credit,
        learned=learned,
        kl_coef=kl_coef,
        reset_prob=reset_prob,
        learning_rate=lr,
        weights=weights,
        seconds=clock.seconds,
    )


def _steer(state: TrainState, update: Update, models: Models) -> None:
    """Let the adaptive schedules and the curriculum see what the update measured."""
    state.curriculum.learn(update.starts, update.scores.tolist())
    keep_from_update(state.curriculum.own, update, models)
    state.kl.learn(float(update.kl.mean()), len(update.starts))
    of_resets, of_prompts = update.scores[update.resets], update.scores[~update.resets]
    state.reset.learn(
        float(of_resets.mean()) if len(of_resets) else None,
        float(of_prompts.mean()) if len(of_prompts) else None,
    )


def _evaluate(
    models: Models,
    heldout: HeldOut,
    state: TrainState,
    config: RunConfig,
    observer: Observer,
    checkpoint_dir: Path,
) -> bool:
    """Measure the present weights; False where somebody asked to stop meanwhile."""
    began = time.perf_counter()
    state.owes_evaluation = True
    try:
        with stops_between_passes(models.networks(), observer.should_stop, models.ranks):
            values, samples = heldout.evaluate(
                state.step,
                weights=models.weights_hash(),
                tick=lambda done, total: observer.progress("evaluation", done, total),
            )
    except StopAskedError:
        return False
    state.owes_evaluation = False
    values[metrics.TIMING_S_EVALUATION] = time.perf_counter() - began
    state.score = known(values.get(metrics.EVAL_SCORES, math.nan))
    observer.metrics(state.step, values)
    observer.samples(samples)
    models.ranks.first(lambda: checkpoint.save_snapshot(models, state.step, checkpoint_dir))
    observer.progress("training", state.step, config.ppo.updates)
    return True


def _apply_control(
    models: Models, state: TrainState, config: RunConfig, observer: Observer, directory: Path
) -> bool:
    """Do what people asked for since the last update; False means to stop."""
    control = models.ranks.first(lambda: observer.control(state.step))
    _change_settings(state, config, observer, control)
    if control.pause and not control.stop:
        _save(models, state, observer, directory)
    while control.pause and not control.stop:
        observer.progress("paused", state.step, config.ppo.updates)
        time.sleep(_POLL_SECONDS)
        control = models.ranks.first(lambda: observer.control(state.step))
        _change_settings(state, config, observer, control)
    return not control.stop


def _change_settings(
    state: TrainState, config: RunConfig, observer: Observer, control: Control
) -> None:
    names = resume_settings(config.run.method)
    asked = {name: control.settings[name] for name in names if name in control.settings}
    # Checked as at launch: out of range is the same sentence here and there.
    config.replace(**asked)
    for name, value in asked.items():
        new = float(value)
        old = state.change(name, new, config.ppo.updates)
        observer.event(
            state.step,
            "setting",
            f"{name} {old:g} -> {new:g}",
            {"name": name, "old": old, "new": new, "live": True},
        )


def _save(models: Models, state: TrainState, observer: Observer, directory: Path) -> None:
    folder = models.ranks.first(
        lambda: checkpoint.save(models, state, directory, observer.remembered())
    )
    observer.event(
        state.step, "checkpoint", f"Checkpoint after update {state.step}.", {"folder": folder.name}
    )
