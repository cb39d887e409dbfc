"""The data of a run: pairs to train on, pairs held out, demonstrations, and the gold score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drpo.config.run_config import RunConfig
from drpo.data import PairSet, load_demonstrations, load_pairs, split
from drpo.data.gold_reward import Gold, load_gold
from drpo.data.pairs import Pair
from drpo.data.quality.near_duplicates import normalise
from drpo.errors import DataError
from drpo.store import Store


@dataclass(frozen=True)
class RunData:
    """What a run learns from and is measured on."""

    train: list[Pair]
    heldout: list[Pair]
    demonstrations: list[Pair]
    gold: Gold | None


def load_run_data(
    config: RunConfig,
    store: Store | None,
    *,
    pairs: PairSet | None = None,
    heldout: list[Pair] | None = None,
) -> RunData:
    """Load a run's data.

    The held-out prompts do not depend on the run's seed, so that runs can be compared on them.

    Args:
        config: Says where the data are.
        store: Where saved data sets are looked up.
        pairs: Pairs that are in memory already, instead of the config's.
        heldout: Held-out pairs likewise.

    Raises:
        DataError: A file or row cannot be used.
    """
    pairs = pairs or load_pairs(config.data.data, store=store)
    if heldout is not None:
        train = pairs.pairs
    elif config.data.heldout is not None:
        train, heldout = pairs.pairs, load_pairs(config.data.heldout, store=store).pairs
    else:
        train, heldout = split(
            pairs.pairs, config.data.heldout_fraction, config.evaluation.eval_seed
        )
    train = trainable(train, heldout, config.data.data)
    shown = demonstrations(config, store)
    if shown:
        # Resets into them are training, too.
        shown = trainable(shown, heldout, str(config.data.demonstrations))
    gold = gold_of(config, pairs)
    check_facts((*train, *shown), config, gold)
    check_slots((*train, *heldout, *shown), gold)
    return RunData(train, heldout, shown, gold)


def trainable(train: list[Pair], heldout: list[Pair], name: str) -> list[Pair]:
    """Leave out pairs whose prompt is evaluated on, here or in the reviews they come from.

    Raises:
        DataError: Nothing is left.
    """
    evaluated = {normalise(pair.prompt) for pair in heldout}
    kept = [
        pair
        for pair in train
        if not pair.evaluation_prompt and normalise(pair.prompt) not in evaluated
    ]
    if not kept:
        raise DataError(
            f"All {len(train)} pairs of {name} to train on have prompts that runs are evaluated "
            "on, so nothing is left; expected some with other prompts. Such pairs can serve as "
            "held-out data."
        )
    return kept


def check_facts(rows: Sequence[Pair], config: RunConfig, gold: Gold | None) -> None:
    """See that the true score, where it is trained on, knows what every answer should say.

    Raises:
        DataError: A row has no facts.
    """
    if config.models.reward_source != "gold" or gold is None or not gold.fields:
        return
    bare = [pair for pair in rows if not pair.facts]
    if bare:
        raise DataError(
            f"reward_source is 'gold', but {len(bare):,} of the {len(rows):,} rows to train on "
            f"have no facts (row {bare[0].row} first), so their answers have no true score; "
            "expected facts in every row of the data and of the demonstrations. Add them, or use "
            "reward_source 'model'."
        )


def check_slots(rows: Sequence[Pair], gold: Gold | None) -> None:
    """See that the facts of every row are those that the true score asks for.

    Raises:
        DataError: A row states others.
    """
    if gold is None or not gold.fields:
        return
    slots = gold.fields
    wrong = [pair for pair in rows if pair.facts is not None and pair.facts.keys() != slots]
    if wrong:
        raise DataError(
            f"The facts of {len(wrong):,} of the {len(rows):,} rows do not fit the data's gold "
            f"score (row {wrong[0].row} first): expected {', '.join(sorted(slots))}, got "
            f"{', '.join(wrong[0].facts or ()) or 'none'}. Correct the facts, or the .gold.json "
            "file beside the data."
        )


def demonstrations(config: RunConfig, store: Store | None) -> list[Pair]:
    """The answers to reset into that are not among the pairs, where some are named."""
    if config.data.demonstrations is None:
        return []
    return load_demonstrations(config.data.demonstrations, store=store)


def gold_of(config: RunConfig, pairs: PairSet) -> Gold | None:
    """The gold score that travels with the pairs.

    Raises:
        DataError: Training on the gold score was asked for and there is none.
    """
    gold = load_gold(pairs.path) if pairs.path is not None else None
    if gold is None and config.models.reward_source == "gold":
        raise DataError(
            f"reward_source is 'gold' but {config.data.data} carries no gold score; expected a "
            "file named like the data with .gold.json after it. Use reward_source 'model'."
        )
    return gold
