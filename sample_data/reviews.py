"""Draw the pairs of the real demo: short film reviews by a chat model, labelled by a lexicon.

    drpo models add smollm2
    python sample_data/reviews.py --model workspace/models/smollm2

Films are made up from three lists of words, so no prompt names a real one. The lexicon knows none
of these words, so that naming the film neither warms nor cools a review. The model answers each
prompt four times by its own chat template; the warmest and the coldest answer are a pair, and which
of the two counts as preferred is a Bradley-Terry draw on the gold score (`drpo.data.sentiment`).
Answers that did not come to an end are drawn again, so that what a run resets into, and what a
reward model learns from, are whole reviews. Everything is drawn from one seed; answers are the same
up to rounding, which depends on the processor and the number of threads.
"""

import argparse
import gzip
import json
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import formats
import grammar

from drpo.data.gold_reward import gold_from_record
from drpo.data.pairs import Prompt

HERE = Path(__file__).parent
FILES = HERE / "files"
SEED = 20240408
TRAINING_PAIRS, HELDOUT_PAIRS = 892, 64
LENGTH = 32
"""Tokens of an answer, its end included; the demo's response_length."""
SPARE = 68
"""Prompts beyond those wanted, for those whose answers are all alike or broke off."""
ANSWERS = 4
"""Of a prompt: of two alone, most are about as warm as each other and teach little."""
ATTEMPTS = 3
"""How often a prompt is answered anew until so many answers came to an end and differ."""
TEMPERATURE = 0.7
"""The demo's, in training and in evaluation: at 1 so small a model garbles its words."""
BLUNTNESS = 0.1
"""Of the labels: answers a fifth of a point apart are labelled the wrong way round in 12 % of
draws."""
CRUDE = re.compile(r"\b(?:bitch|fuck|piss|shit|slut|whore)", re.IGNORECASE)
"""A pair with such a word is left out; the model seldom writes one."""
GOLD = {"kind": "sentiment"}

SYSTEM = "You are a film critic."
PACES = ["slow", "loud", "cheap", "long", "quiet", "short", "modern", "silent"]
GENRES = [
    "western",
    "mystery",
    "drama",
    "musical",
    "spy film",
    "road movie",
    "fairy tale",
    "documentary",
]
SUBJECTS = [
    "two sisters",
    "a lighthouse keeper",
    "a bank clerk",
    "a school orchestra",
    "a taxi driver",
    "a painter",
    "a village baker",
    "a long marriage",
    "a space station",
    "a chess player",
    "a night at sea",
    "a piano teacher",
    "a mountain guide",
    "a radio station",
    "a train journey",
    "a postman",
]

Write = Callable[[Sequence[Prompt], int], list[tuple[str, bool]]]
"""Answers prompts; the number says which attempt it is. Gives each text, and whether it ended."""


def ask(pace: str, genre: str, subject: str) -> Prompt:
    """Return the conversation that asks for a review of one film."""
    wish = f"Was the {pace} {genre} about {subject} any good? Answer in ten words."
    turns = ({"role": "system", "content": SYSTEM}, {"role": "user", "content": wish})
    return Prompt(wish, turns)


def prompts(count: int, rng: random.Random) -> list[Prompt]:
    """Return prompts about as many different films."""
    films = [(pace, genre, about) for pace in PACES for genre in GENRES for about in SUBJECTS]
    return [ask(*film) for film in rng.sample(films, count)]


def draw_rows(
    asked: Sequence[Prompt], write: Write, rng: random.Random
) -> Iterator[dict[str, Any]]:
    """Draw whole answers to each prompt, and label the warmest and the coldest.

    Args:
        asked: The prompts.
        write: The model.
        rng: Draws the labels.

    Yields:
        One row a prompt, as the files hold it; none where answers are equally warm, or crude.
    """
    gold = gold_from_record(GOLD)
    for prompt, answers in zip(asked, whole_answers(asked, write), strict=True):
        # Texts break ties, so that labels can be drawn again from the answers alone.
        scored = sorted((gold(answer, {}), answer) for answer in answers)
        if not scored or scored[0][0] == scored[-1][0]:
            continue
        rows = [scored[-1], scored[0]]
        if not grammar.prefers_first(rows[0][0], rows[1][0], BLUNTNESS, rng):
            rows.reverse()
        if any(CRUDE.search(answer) for _, answer in rows):
            continue
        (of_chosen, chosen), (of_rejected, rejected) = rows
        yield {
            "system": SYSTEM,
            "prompt": prompt.text,
            "chosen": chosen,
            "rejected": rejected,
            "gold_chosen": round(of_chosen, 4),
            "gold_rejected": round(of_rejected, 4),
        }


def whole_answers(asked: Sequence[Prompt], write: Write) -> list[list[str]]:
    """Return up to `ANSWERS` different answers a prompt that came to their ends."""
    found: list[list[str]] = [[] for _ in asked]
    for attempt in range(ATTEMPTS):
        # As many at once as are missing: answers to one prompt share the reading of it.
        places = [
            place for place, answers in enumerate(found) for _ in range(ANSWERS - len(answers))
        ]
        if not places:
            break
        written = write([asked[place] for place in places], attempt)
        for place, (text, ended) in zip(places, written, strict=True):
            if ended and text.strip() and text.strip() not in found[place]:
                found[place].append(text.strip())
    return found


def writer(folder: Path, length: int = LENGTH) -> Write:
    """Let a chat model write as training will: by its own template, at the demo's temperature."""
    import torch

    from drpo.modeling.forward_pass import precision_of
    from drpo.modeling.model_loading import load_causal
    from drpo.modeling.models import load_vocabulary
    from drpo.modeling.seeding import generator_for
    from drpo.rl.rollout import Sampling, finish

    model = load_causal(folder).eval()
    vocabulary = load_vocabulary(folder, model, "chat")
    sampling = Sampling(length, TEMPERATURE, vocabulary.stops, vocabulary.pad, batch_size=64)

    def write(asked: Sequence[Prompt], attempt: int) -> list[tuple[str, bool]]:
        contexts = vocabulary.prompts(asked)
        generator = generator_for(SEED, attempt, "reviews")
        noise = torch.rand(len(contexts), length, generator=generator, dtype=torch.float64)
        rollout = finish(
            model,
            contexts,
            [0] * len(contexts),
            sampling,
            noise,
            precision=precision_of("cpu", "float32"),
            tick=lambda done: print(f"attempt {attempt}: {done}", file=sys.stderr, flush=True),
        )
        lengths = rollout.acted.sum(dim=1).tolist()
        ids = [row[:n] for row, n in zip(rollout.actions.tolist(), lengths, strict=True)]
        texts = map(vocabulary.continuation, contexts, ids)
        return list(zip(texts, rollout.finished.tolist(), strict=True))

    return write


def write_files(rows: Sequence[dict[str, Any]], heldout: int, folder: Path = FILES) -> None:
    """Write training and held-out rows with the description of their gold score."""
    parts = {"reviews": rows[heldout:], "reviews_heldout": rows[:heldout]}
    for name, part in parts.items():
        path = folder / f"{name}.jsonl.gz"
        formats.write_bytes(path, gzip.compress(formats.jsonl(list(part)), mtime=0))
        text = json.dumps(GOLD, indent=1) + "\n"
        formats.write_bytes(path.with_name(f"{path.name}.gold.json"), text.encode())


def main() -> None:
    """Draw the pairs and write them."""
    parser = argparse.ArgumentParser(description="Draw the real demo's pairs.")
    parser.add_argument("--model", type=Path, required=True, help="folder of the chat model")
    options = parser.parse_args()
    wanted = TRAINING_PAIRS + HELDOUT_PAIRS
    asked = prompts(wanted + SPARE, random.Random(SEED))
    rows = list(draw_rows(asked, writer(options.model), random.Random(SEED + 1)))
    if len(rows) < wanted:
        raise SystemExit(f"{len(rows)} prompts have two answers to tell apart, expected {wanted}.")
    write_files(rows[:wanted], HELDOUT_PAIRS)
    print(f"{wanted} pairs written to {FILES}", file=sys.stderr)


if __name__ == "__main__":
    main()
