"""Make a look at a run that is thought of: load its data and models, and draw."""

from __future__ import annotations

from collections.abc import Sequence

from drpo.advice.draw import look
from drpo.advice.look import Look
from drpo.config.run_config import RunConfig
from drpo.data.run_data import load_run_data
from drpo.errors import DataError
from drpo.modeling.models import load_models
from drpo.modeling.tokenization import TokenizedPair
from drpo.rl.batches import prepare_episodes
from drpo.rl.resets import reset_depths
from drpo.store import Store
from drpo.types import Observer


def look_at(config: RunConfig, store: Store | None, observer: Observer, *, seconds: float) -> Look:
    """Draw from a run's start policy, without training anything.

    Args:
        config: The run that is thought of; where its resets would go is where it is looked.
        store: Where saved data sets are looked up.
        observer: Hears how far it is.
        seconds: About how long to draw.

    Raises:
        DrpoError: Data or models cannot be read, or nothing can be reset into.
    """
    data = load_run_data(config, store)
    # Nobody learns, so nobody foresees, and how a run would cut its episodes is no matter.
    config = config.replace(
        advantage="rloo",
        group_size=2,
        episodes_per_update=2,
        num_mini_batches=1,
        critic_mini_batches=None,
        critic_warmup_steps=0,
    )
    models = load_models(config, gold=data.gold)
    episodes = prepare_episodes(
        models, data.train, config, demonstrations=data.demonstrations, observer=observer
    )
    answers = _one_a_prompt(episodes.pool)
    if not answers:
        raise DataError(
            f"There is nothing to look at: reset_source {config.reset.reset_source!r} offers no "
            "answers before training. Choose chosen, both or demonstrations."
        )
    return look(episodes, answers, observer, seconds=seconds)


def _one_a_prompt(answers: Sequence[TokenizedPair]) -> list[TokenizedPair]:
    first: dict[tuple[int, ...], TokenizedPair] = {}
    for answer in answers:
        if reset_depths(answer) > 1:
            first.setdefault(answer.prompt, answer)
    return list(first.values())
