"""The ladder: three small tasks whose right answers are known, from easy to hard to explore.

    lock      a combination lock as text: the code of the model that the prompt names, letter by
              letter; any wrong letter spoils it. Easy to imitate, hard to stumble upon.
    addition  column by column, the digit and whether one is carried, for sums of growing length.
    parity    a chain of letters of two hidden classes: each must be of the class of the one before,
              turned over where the prompt has a 1. Any letter of the class will do, so there is
              nothing to copy, and half of all letters are right at every place. After the latent
              parities of AdaBack (arXiv:2506.18110); the form here is our own.

Every token is one character, the space before it included. Start policies know the form of an
answer and get each of its parts right only so often; parity's knows nothing of the classes.
"""

import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from drpo.data.gold_reward import ChainScorer, ExactScorer, Gold

TOKEN_PATTERN = r" ?[^ ]"
LOCKS = {"A": "hbgdfacehbda", "B": "cafhegbdacgf", "C": "gdbhafecgbhd", "D": "ebcgadhfbeca"}
PARITY_LENGTH = 10
LETTERS = string.ascii_lowercase[:16]
CLASSES = dict(zip(LETTERS, map(int, "0110100110010110"), strict=True))
COLUMNS = range(3, 9)
Facts = dict[str, str]


@dataclass(frozen=True)
class Question:
    """A prompt, and what its answers are judged by."""

    prompt: str
    facts: Facts
    parts: tuple[str, ...] = ()
    """The tokens of the right answer, where there is one."""


@dataclass(frozen=True)
class Rung:
    """One task of the ladder."""

    ask: Callable[[random.Random], Question]
    answer: Callable[[Question, float, random.Random], str]
    """Answers a question, each part right with a probability."""
    gold: dict[str, Any]
    """The `.gold.json` beside its data."""
    score: Gold
    care: float
    """How often the start policy gets a part right, where it can be."""
    rows: int
    """Few enough that a run meets each prompt seven or eight times: what remembers how a prompt
    went, as AdaBack, POPE, BREAD and RRPO do, has nothing to remember of prompts met once."""
    heldout: int
    steps: int
    """Of the start policy's training."""


def ask_lock(rng: random.Random) -> Question:
    """A lock of one of four models; its serial number is of no consequence."""
    model = rng.choice(list(LOCKS))
    serial = " ".join(rng.choice(string.digits) for _ in range(4))
    code = LOCKS[model]
    return Question(f"# {model} {serial} :", {"answer": " ".join(code)}, tuple(code))


def answer_lock(question: Question, care: float, rng: random.Random) -> str:
    """The code, each letter right with probability `care`."""
    return _joined(
        part if rng.random() < care else rng.choice("abcdefgh".replace(part, ""))
        for part in question.parts
    )


def ask_parity(rng: random.Random) -> Question:
    """A string of bits."""
    bits = "".join(rng.choice("01") for _ in range(PARITY_LENGTH))
    return Question(f"{' '.join(bits)} :", {"bits": bits})


def answer_parity(question: Question, care: float, rng: random.Random) -> str:
    """A letter for each bit, of the right class with probability `care`."""
    state, letters = 0, []
    for bit in question.facts["bits"]:
        state ^= int(bit)
        wanted = state if rng.random() < care else 1 - state
        letters.append(rng.choice([one for one in LETTERS if CLASSES[one] == wanted]))
    return _joined(letters)


def ask_addition(rng: random.Random) -> Question:
    """Two numbers of the same length in columns, the lowest first."""
    columns = [(rng.randrange(10), rng.randrange(10)) for _ in range(rng.choice(COLUMNS))]
    parts, carried = [], 0
    for first, second in columns:
        carried, digit = divmod(first + second + carried, 10)
        parts += [str(digit), "^" if carried else "-"]
    parts.append(str(carried))
    prompt = " , ".join(f"{first} {second}" for first, second in columns)
    return Question(f"{prompt} :", {"answer": " ".join(parts)}, tuple(parts))


def answer_addition(question: Question, care: float, rng: random.Random) -> str:
    """The sum, each part right with probability `care`; a wrong carry spoils what follows."""
    wrong = {"^": "-", "-": "^"}
    return _joined(
        part
        if rng.random() < care
        else wrong.get(part) or rng.choice(string.digits.replace(part, ""))
        for part in question.parts
    )


RUNGS: dict[str, Rung] = {
    "lock": Rung(ask_lock, answer_lock, {"kind": "exact"}, ExactScorer(), 0.56, 64, 200, 300),
    "addition": Rung(
        ask_addition, answer_addition, {"kind": "exact"}, ExactScorer(), 0.85, 256, 300, 1500
    ),
    "parity": Rung(
        ask_parity,
        answer_parity,
        {"kind": "chain", "classes": CLASSES},
        ChainScorer(CLASSES),
        0.5,
        # So few that whoever imitates them learns the letters by heart and not the classes.
        64,
        200,
        200,
    ),
}


def _joined(parts: Any) -> str:  # noqa: ANN401 - any iterable of texts
    return "".join(f" {part}" for part in parts)


def vocabulary() -> list[str]:
    """Every token of all three tasks: characters, each also with the space before it."""
    characters = f"{string.digits}{string.ascii_lowercase}ABCD#:,^-"
    return [*characters, *(f" {one}" for one in characters)]


def questions(rung: Rung, count: int, rng: random.Random) -> list[Question]:
    """Different prompts, so that none is on both sides of a split."""
    found: dict[str, Question] = {}
    while len(found) < count:
        question = rung.ask(rng)
        found.setdefault(question.prompt, question)
    return list(found.values())


def pairs(rung: Rung, asked: list[Question], rng: random.Random) -> Iterator[dict[str, Any]]:
    """A right answer against one with faults."""
    for question in asked:
        chosen, rejected = rung.answer(question, 1.0, rng), rung.answer(question, 0.6, rng)
        while rung.score(rejected, question.facts):
            rejected = rung.answer(question, 0.6, rng)
        yield {
            "prompt": question.prompt,
            "chosen": chosen,
            "rejected": rejected,
            "facts": question.facts,
            "gold_chosen": rung.score(chosen, question.facts),
            "gold_rejected": 0.0,
        }


def noisy(rung: Rung, asked: list[Question], rng: random.Random) -> Iterator[dict[str, Any]]:
    """Demonstrations of which half have faults somewhere."""
    for question in asked:
        care = 1.0 if rng.random() < 0.5 else 0.8
        yield _shown(question, rung.answer(question, care, rng))


def other(rung: Rung, asked: list[Question], rng: random.Random) -> Iterator[dict[str, Any]]:
    """Demonstrations by another policy: right up to a random place, then at a loss."""
    for question in asked:
        right, lost = (rung.answer(question, care, rng).split() for care in (1.0, 0.5))
        until = rng.randint(1, len(right))
        yield _shown(question, _joined([*right[:until], *lost[until:]]))


def _shown(question: Question, response: str) -> dict[str, Any]:
    return {"prompt": question.prompt, "response": response, "facts": question.facts}
