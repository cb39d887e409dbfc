"""Posts that state seven facts, and one-sentence summaries that get some of them right.

A post is a handful of plain English sentences; every fact is one word of a closed list (a slot),
so whether a summary is faithful can be decided exactly. No filler sentence and no template contains
a slot's word, so each fact stands exactly once in a post and once in a summary.
"""

import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SLOTS: dict[str, list[str]] = {
    "who": [
        "sister",
        "brother",
        "mother",
        "father",
        "cousin",
        "neighbour",
        "teacher",
        "roommate",
        "boss",
        "aunt",
    ],
    "action": ["lost", "found", "bought", "broke", "sold", "borrowed", "painted", "won"],
    "colour": ["red", "blue", "green", "yellow", "black", "white", "purple", "brown"],
    "object": [
        "bike",
        "camera",
        "guitar",
        "kite",
        "lamp",
        "piano",
        "radio",
        "robot",
        "tent",
        "watch",
    ],
    "place": [
        "beach",
        "library",
        "market",
        "museum",
        "park",
        "school",
        "station",
        "farm",
        "bakery",
        "harbour",
    ],
    "day": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    "feeling": ["happy", "sad", "angry", "proud", "tired", "nervous", "bored", "calm"],
}

# A post is an opening that names who, then blocks in any order, each in one of several wordings.
_OPENINGS = [
    "This is about my {who}.",
    "I have to tell you about my {who}.",
    "My {who} called me this morning.",
    "You should know my {who} first.",
]
_BLOCKS: list[list[str]] = [
    [
        "They {action} a {colour} {object}.",
        "They {action} a {object}. It was {colour}.",
        "Out of nowhere they {action} a {object}. The thing is {colour}.",
        "There was this {object}, all {colour}, and they {action} it.",
        "There was a {colour} {object} and somehow they {action} it.",
    ],
    [
        "It happened at the {place} on {day}.",
        "It was {day}. We met at the {place}.",
        "We went to the {place} together. That was last {day}.",
        "This was on {day}, at the {place}.",
    ],
    [
        "Now they feel {feeling}.",
        "They were really {feeling} about it.",
        "To be honest, they looked {feeling}.",
        "They said they are {feeling}.",
    ],
]
_FILLERS = [
    "Sorry for the long text.",
    "I did not sleep well.",
    "What would you do?",
    "It rained the whole time.",
    "I was there too.",
    "Nobody else knows yet.",
    "We had lunch first.",
    "Please be kind.",
]
_SUMMARIES = [
    " My {who} {action} a {colour} {object} at the {place} on {day} and felt {feeling}.",
    " On {day} my {who} {action} a {colour} {object} at the {place} and felt {feeling}.",
    " At the {place} on {day} my {who} {action} a {colour} {object} and felt {feeling}.",
    " My {who} felt {feeling}: on {day} they {action} a {colour} {object} at the {place}.",
]

Facts = dict[str, str]


@dataclass(frozen=True)
class Post:
    """A prompt and the facts it states."""

    prompt: str
    facts: Facts


def write_post(rng: random.Random) -> Post:
    """Draw seven facts and tell them in varied order and wording, with up to two fillers."""
    facts = {slot: rng.choice(words) for slot, words in SLOTS.items()}
    blocks = [rng.choice(wordings) for wordings in _BLOCKS]
    rng.shuffle(blocks)
    sentences = [rng.choice(_OPENINGS), *blocks]
    for filler in rng.sample(_FILLERS, rng.randint(0, 2)):
        sentences.insert(rng.randint(0, len(sentences)), filler)
    return Post("POST: " + " ".join(sentences).format(**facts) + "\nTL;DR:", facts)


def corrupt(facts: Mapping[str, str], right: float, rng: random.Random) -> Facts:
    """Keep each fact with probability `right`; replace the others by another word of their slot."""
    return {
        slot: word if rng.random() < right else other_word(slot, word, rng)
        for slot, word in facts.items()
    }


def other_word(slot: str, word: str, rng: random.Random) -> str:
    """A word of the slot that is not `word`."""
    return rng.choice([other for other in SLOTS[slot] if other != word])


def summarise(facts: Mapping[str, str], rng: random.Random) -> str:
    """One sentence that states the given facts; it begins with its own space, as it follows ":"."""
    return rng.choice(_SUMMARIES).format(**facts)


def leave_out(facts: Mapping[str, str], rng: random.Random) -> str:
    """A shorter summary that keeps silent about one to four of the facts."""
    parts = {
        "colour": "{colour} ",
        "object": "{object}",
        "place": " at the {place}",
        "day": " on {day}",
        "feeling": " and felt {feeling}",
    }
    if rng.random() < 0.15:
        return " My {who} felt {feeling}.".format(**facts)
    for slot in rng.sample(["colour", "place", "day", "feeling"], rng.randint(1, 4)):
        del parts[slot]
    return (" My {who} {action} a " + "".join(parts.values()) + ".").format(**facts)


def longest_summary() -> int:
    """Words of the longest summary this grammar writes."""
    return max(len(re.findall(r"\w+", summary)) for summary in _SUMMARIES)


def prefers_first(first: float, second: float, temperature: float, rng: random.Random) -> bool:
    """A Bradley-Terry draw: the first wins with chance sigmoid((first - second) / temperature)."""
    return rng.random() < 1 / (1 + math.exp(-(first - second) / temperature))


TOKEN_PATTERN = r"TL;DR| ?[A-Za-z]+|[^A-Za-z]"


def vocabulary() -> list[str]:
    """Every token of the grammar, words with the space before them, in a fixed order."""
    texts: list[str] = ["POST:\nTL;DR:"]
    for template in _every_template():
        for slot, words in SLOTS.items():
            if f"{{{slot}}}" in template:
                texts += [template.format(**{**_first_words(), slot: word}) for word in words]
        texts.append(template.format(**_first_words()))
    return sorted({token for text in texts for token in re.findall(TOKEN_PATTERN, text)} - {" "})


def _every_template() -> Sequence[str]:
    blocks = [wording for wordings in _BLOCKS for wording in wordings]
    return [" " + text.strip() for text in [*_OPENINGS, *blocks, *_FILLERS, *_SUMMARIES]]


def _first_words() -> Facts:
    return {slot: words[0] for slot, words in SLOTS.items()}
