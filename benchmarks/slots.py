"""What writing in slots saves: calls of the model, and a processor's seconds.

    python -m benchmarks.slots [--quick] [--repeats 3] [--pace processor|card] [--cases REGEX]

From the repository's top. Every way writes the same answers to the same contexts with the same
draws, in one thread, in turn: with a cache that grows, batch after batch; in slots, batch after
batch; in slots that are filled again. The `tldr` sample's answers end where its policy ends them;
the random Llamas' by lot, cut at a limit. At a card's pace slots are asked and filled as on a card,
without its graph: the calls are a card's, the seconds are not. Prints a table in Markdown: of
seconds the least of the repeats, of calls those with one column (steps) and all others (contexts
that are read).
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from drpo.modeling.linear import widen
from drpo.rl.plain_decoding import write_in_batches
from drpo.rl.sampling import Asked, Engine, Sampling
from drpo.rl.slots import CARD, PROCESSOR, Pace, Slots

SAMPLES = Path(__file__).resolve().parents[1] / "sample_data"
VOCABULARY = 2_000


@dataclass(frozen=True)
class Case:
    """A model and how it is used."""

    name: str
    width: int | None
    """Of a random Llama's hidden states; None is the sample's policy."""
    layers: int
    rows: int
    slots: int
    answer: int
    mean: int = 40
    """Tokens of a random Llama's answer in the mean, if the limit were not."""
    prompt: tuple[int, int] = (32, 64)


CASES = (
    Case("tldr sample", None, 0, 64, 128, 53),
    Case("tldr sample", None, 0, 256, 32, 53),
    Case("Llama, 128 wide, 4 layers", 128, 4, 256, 32, 128),
    Case("Llama, 512 wide, 4 layers", 512, 4, 64, 64, 128),
    Case("Llama, 512 wide, 4 layers", 512, 4, 96, 16, 128),
    Case("Llama, 32 wide, 1 layer", 32, 1, 512, 64, 256, mean=128),
)


def ways_of(pace: Pace) -> dict[str, Engine]:
    """Return every way to write, by name."""

    def again(
        model: nn.Module, asked: Asked, sampling: Sampling, tick: Callable[[int], None]
    ) -> list[list[int]]:
        return Slots(model, asked, sampling, pace).write(tick)

    def by_batch(
        model: nn.Module, asked: Asked, sampling: Sampling, tick: Callable[[int], None]
    ) -> list[list[int]]:
        written: list[list[int]] = []
        for begin in range(0, len(asked.rooms), sampling.batch_size):
            part = asked.part(slice(begin, begin + sampling.batch_size))
            written += again(model, part, sampling, tick)
        return written

    return {
        "growing cache": write_in_batches,
        "slots, by batch": by_batch,
        "slots, filled again": again,
    }


def material(case: Case) -> tuple[nn.Module, Asked, Sampling]:
    """Make a case's model and its rows, longest contexts first as training has them."""
    draw, generator = random.Random(0), torch.Generator().manual_seed(0)
    if case.width is None:
        folder = SAMPLES / "models/tldr-policy"
        model = AutoModelForCausalLM.from_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        with gzip.open(SAMPLES / "files/tldr.jsonl.gz", "rt", encoding="utf-8") as lines:
            texts = [json.loads(line)["prompt"] for line in islice(lines, case.rows)]
        contexts = [tokenizer(text)["input_ids"] for text in texts]
        stops, pad = (tokenizer.eos_token_id,), tokenizer.pad_token_id
    else:
        torch.manual_seed(0)
        heads = max(2, case.width // 64)
        shape = LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=case.width,
            intermediate_size=3 * case.width,
            num_hidden_layers=case.layers,
            num_attention_heads=heads,
            num_key_value_heads=heads // 2,
            max_position_embeddings=512,
        )
        model = LlamaForCausalLM(shape)
        contexts = [
            [draw.randrange(VOCABULARY) for _ in range(draw.randint(*case.prompt))]
            for _ in range(case.rows)
        ]
        # Random weights of the usual size draw nearly evenly.
        stops, pad = tuple(range(1, 1 + VOCABULARY // case.mean)), 0
    widen(model.eval())
    contexts.sort(key=len, reverse=True)
    noise = torch.rand(case.rows, case.answer, generator=generator, dtype=torch.float64)
    asked = Asked(contexts, [case.answer] * case.rows, noise)
    return model, asked, Sampling(case.answer, 1.0, stops, pad, case.slots)


@contextmanager
def counted(model: nn.Module) -> Iterator[list[int]]:
    """Note the columns of every call of a model's body."""
    columns: list[int] = []

    def note(_body: nn.Module, args: tuple[Tensor, ...], named: dict[str, Any]) -> None:
        if named.get("past_key_values") is not None:  # else the head is called through it
            columns.append((args[0] if args else named["input_ids"]).shape[1])

    hook = model.base_model.register_forward_pre_hook(note, with_kwargs=True)  # type: ignore[operator,union-attr]
    yield columns
    hook.remove()


def measured(case: Case, ways: dict[str, Engine], repeats: int) -> list[str]:
    """Return a line of the table for each way."""
    model, asked, sampling = material(case)
    seconds: dict[str, float] = dict.fromkeys(ways, float("inf"))
    answers, calls = {}, {}
    for _ in range(repeats):
        for name, way in ways.items():
            with torch.no_grad(), counted(model) as columns:
                began = time.process_time()
                answers[name] = way(model, asked, sampling, lambda _: None)
                seconds[name] = min(seconds[name], time.process_time() - began)
            calls[name] = columns
    first = answers["growing cache"]
    ideal = sum(map(len, first)) / case.slots
    return [
        f"| {case.name} | {case.rows} | {case.slots} | {name} "
        f"| {sum(one > 1 for one in calls[name])} | {calls[name].count(1)} | {ideal:.0f} "
        f"| {seconds[name]:.2f} | {seconds[name] / seconds['growing cache']:.2f} "
        f"| {sum(a == b for a, b in zip(first, answers[name], strict=True))} |"
        for name in ways
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="A tiny case, to see that it works.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pace", choices=("processor", "card"), default="processor")
    parser.add_argument("--cases", default="", help="Only cases whose name matches.")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    cases = [case for case in CASES if re.search(asked.cases, case.name)]
    ways = ways_of(CARD if asked.pace == "card" else PROCESSOR)
    if asked.quick:
        cases = [replace(CASES[2], layers=1, rows=16, slots=4, answer=16)]
    print(
        "| model | rows | slots | way | reads | steps | tokens / slots | s | of the first | same |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for case in cases:
        print("\n".join(measured(case, ways, asked.repeats)), flush=True)


if __name__ == "__main__":
    main()
