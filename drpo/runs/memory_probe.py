"""Every stage of a run on one micro-batch of its longest rows: `memory_probe ASKED TOLD`.

A process of its own, which may take so much memory and no more. What it carries out is the run's
own code, in a temporary folder, on the rows that take most: an estimate cannot be nearer.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drpo.config.run_config import RunConfig
from drpo.data.pairs import Pair
from drpo.data.run_data import RunData, load_run_data
from drpo.errors import first_line
from drpo.modeling.model_files import find_folder, read_card
from drpo.modeling.tokenization import Vocabulary
from drpo.runs import memory_fit
from drpo.runs.data_rows import KEYS
from drpo.runs.peaks import PeakWatch, keep
from drpo.runs.run_observer import RunObserver
from drpo.store import Store
from drpo.system.limits import is_out_of_memory, limit_this_process

log = logging.getLogger(__name__)

LOOKED_AT = 400
"""Rows whose tokens are counted, those with the most characters."""


class _Watched(RunObserver):
    """Hears the stages' names and keeps nothing."""

    def __init__(self) -> None:
        self.stage = "starting"

    def progress(self, stage: str, done: int, total: int) -> None:  # noqa: ARG002
        self.stage = stage


def main(asked: Path, told: Path) -> None:
    """Carry the stages out and write what they held, or where memory ran out."""
    wanted = json.loads(asked.read_text(encoding="utf-8"))
    config = RunConfig.from_nested(wanted["config"])
    memory_fit.settle_allocator(config)
    limit_this_process(memory=int(wanted["room"]))
    observer = _Watched()
    with tempfile.TemporaryDirectory(prefix="drpo-probe-") as folder:
        # In the answer from the start: a process that the system kills says no last word.
        watch = PeakWatch(lambda: observer.stage, told)
        watch.start()
        found: dict[str, Any] = {}
        try:
            _carry_out(config, Path(folder), observer)
        except Exception as error:
            log.exception("the try ended")
            found = {"short": True} if is_out_of_memory(error) else {"error": first_line(error)}
        by_stage = watch.stop()
        keep(told, **found, by_stage=by_stage, done=True)


def _carry_out(config: RunConfig, folder: Path, observer: _Watched) -> None:
    from drpo.runs import pipeline

    data = load_run_data(config, Store())
    rows = config.ppo.rows_at_once
    prompts, stage = _longest(config, data.train, rows)
    small = config.replace(
        updates=1,
        episodes_per_update=rows if config.ppo.advantage == "gae" else _groups(config, rows),
        num_ppo_epochs=1,
        num_mini_batches=1,
        critic_mini_batches=None,
        critic_warmup_steps=0,
        rollout_batch_size=rows,
        eval_prompts=min(rows, config.evaluation.eval_prompts),
        sample_prompts=1,
        heldout=None,
        best_of_n=2,
        reset_filter="none",
        **{f"{name}_epochs": 1.0 for name in ("rm", "dpo")},
        **({"sft_epochs": 1.0} if config.stages.sft_epochs else {}),
    )
    of_stages = RunData(stage, stage[:1], data.demonstrations, data.gold)
    of_policy = RunData(prompts, prompts, data.demonstrations[:rows] or [], data.gold)
    pipeline.try_stages(small, of_stages, of_policy, folder, observer)


def _groups(config: RunConfig, rows: int) -> int:
    return max(1, rows // config.ppo.group_size) * config.ppo.group_size


def _longest(config: RunConfig, pairs: Sequence[Pair], rows: int) -> tuple[list[Pair], list[Pair]]:
    """The pairs with the longest prompts, and those with the longest rows; as many as fit."""
    from drpo.stages.common import load_padding_tokenizer, template_of
    from drpo.stages.examples import Room, two_rows

    start = config.models.policy
    candidates = {id(pair): pair for key in KEYS for pair in sorted(pairs, key=key)[-LOOKED_AT:]}
    found = list(candidates.values())
    # Read as the stages will read them, template and all, or one that is too long is taken.
    tokenizer = load_padding_tokenizer(start)
    vocabulary = Vocabulary.of(tokenizer, chat=template_of(config, tokenizer, start))
    folder = find_folder(start, what="start policy")
    context = None if folder is None else read_card(folder).context
    room = Room.of(config, context)
    answer = room.answer if room.cuts else None
    rows_of = [one.cut(answer) if answer else one for one in two_rows(vocabulary, found)]
    read = list(zip(rows_of, found, strict=True))
    most = config.data.max_prompt_length
    if context is not None:
        most = min(most, context - config.sampling.response_length)
    answered = [(one, pair) for one, pair in read if one.prompt <= most] or read
    fitting = [(one, pair) for one, pair in read if room.holds(one) and one.prompt <= most] or read
    by_prompt = sorted(answered, key=lambda one: one[0].prompt, reverse=True)[:rows]
    by_row = sorted(fitting, key=lambda one: one[0].longest, reverse=True)
    stages, tokens = config.stages, config.tokens_at_once
    most = max(1, min(rows // 2, stages.rm_batch_size, stages.dpo_batch_size))
    compared = [one.longest for one, _ in by_row]
    shown = [by_row[at][1] for at in fullest_micro_batch(compared, most, tokens, together=2)]
    if stages.sft_epochs or config.run.method == "sft":
        chosen = [(len(one.rows[0][0]), pair) for one, pair in fitting]
        written = sorted(chosen, key=lambda one: one[0], reverse=True)
        most = max(1, min(rows, stages.sft_batch_size))
        imitated = [length for length, _ in written]
        shown += [written[at][1] for at in fullest_micro_batch(imitated, most, tokens, together=1)]
    return [pair for _, pair in by_prompt], list({id(pair): pair for pair in shown}.values())


def fullest_micro_batch(
    lengths: Sequence[int], most: int, tokens: int, *, together: int
) -> list[int]:
    """Find what fills a micro-batch most: several of middle length may take more than the longest.

    Args:
        lengths: Tokens of each example's longest row, the longest first.
        most: Most examples of a micro-batch.
        tokens: Largest area of one, padding included; an example that is longer stands alone.
        together: Rows of an example.

    Returns:
        The examples' places.
    """
    fits = [max(1, min(most, tokens // (together * max(1, length)))) for length in lengths]
    counts = [min(count, len(lengths) - at) for at, count in enumerate(fits)]
    areas = [length * count for length, count in zip(lengths, counts, strict=True)]
    begin = areas.index(max(areas))
    return list(range(begin, begin + counts[begin]))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
