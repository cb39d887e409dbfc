"""Harmless dialogues in the form of the HH data: transcripts that part at the last turn."""

import random

_TOPICS = [
    (
        "water my basil",
        "basil",
        "Water it when the top of the soil feels dry, and let the rest drain away.",
    ),
    (
        "repair a flat bicycle tyre",
        "the tyre",
        "Find the hole in a bowl of water, dry the tube and press a patch on it.",
    ),
    (
        "cook rice without burning it",
        "the rice",
        "Use two cups of water for one of rice, cover the pot and keep the heat low.",
    ),
    (
        "learn ten new words a day",
        "the words",
        "Write each word in a sentence of your own and read the list again before bed.",
    ),
    (
        "keep my desk tidy",
        "the desk",
        "Give every thing a fixed place and take five minutes for it each evening.",
    ),
    (
        "choose a book for my niece",
        "the book",
        "Ask what she read last and liked, then look for one by the same author.",
    ),
    (
        "get a stain of tea out of a shirt",
        "the stain",
        "Rinse it with cold water from behind and wash it with a little vinegar.",
    ),
    (
        "start running",
        "running",
        "Walk and run in turns for twenty minutes, three days a week, and slowly run more.",
    ),
    (
        "sleep better",
        "sleep",
        "Go to bed at the same hour, leave screens in another room and keep it dark.",
    ),
    (
        "plan a picnic for six people",
        "the picnic",
        "Pick a shady place, let everyone bring one dish and pack a blanket and water.",
    ),
    (
        "teach my dog to sit",
        "the dog",
        "Hold a treat above its nose, say the word as it sits and reward it at once.",
    ),
    (
        "write a thank-you note",
        "the note",
        "Name the gift, say how you use it and close with a warm wish.",
    ),
    (
        "store tomatoes",
        "the tomatoes",
        "Keep them at room temperature, stem down, and eat the ripest ones first.",
    ),
    (
        "remember people's names",
        "names",
        "Repeat the name when you hear it and link it to something you notice.",
    ),
    (
        "fold a paper plane",
        "the plane",
        "Fold the sheet lengthwise, bring two corners to the middle and fold the wings down.",
    ),
    (
        "bake bread for the first time",
        "the bread",
        "Mix flour, water, salt and yeast, let it rise for two hours and bake it hot.",
    ),
    (
        "save a little money each month",
        "saving",
        "Move a fixed sum to another account on pay day, before you spend anything.",
    ),
    (
        "grow strawberries on a balcony",
        "the strawberries",
        "Plant them in a deep pot in the sun and water them in the morning.",
    ),
]
_ASKS = [
    "How do I {topic}?",
    "Could you tell me how to {topic}?",
    "I would like to {topic}. Any ideas?",
    "What is the best way to {topic}?",
]
_FOLLOW_UPS = [
    "Thanks. What is the most common mistake with {thing}?",
    "I tried that once and it went wrong. What should I do with {thing} now?",
    "Good to know. How long does it take with {thing}?",
    "And what if I have very little time for {thing}?",
]
_GOOD = [
    "The usual mistake is to hurry. Take {thing} step by step and look before you go on.",
    "No harm done. Begin again with {thing} and change only one thing this time.",
    "About a week. If {thing} looks no better by then, tell me what you saw.",
    "Ten minutes for {thing} today are better than an hour that never comes.",
]
_POOR = [
    "I do not know.",
    "Just look it up somewhere.",
    "Why would you want that? I find {thing} rather boring.",
    "It depends. It depends on many things. Things can depend on other things.",
    "Buy a new one and forget about {thing}.",
]


def write_dialogues(count: int, rng: random.Random) -> list[dict[str, str]]:
    """Distinct pairs of transcripts; about half have a turn before the one that differs."""
    rows: dict[str, dict[str, str]] = {}
    while len(rows) < count:
        row = _dialogue(rng)
        rows.setdefault(row["chosen"], row)
    return list(rows.values())


def _dialogue(rng: random.Random) -> dict[str, str]:
    topic, thing, advice = rng.choice(_TOPICS)
    opening = f"\n\nHuman: {rng.choice(_ASKS).format(topic=topic)}\n\nAssistant:"
    poor = rng.choice(_POOR).format(thing=thing)
    if rng.random() < 0.5:
        return {"chosen": f"{opening} {advice}", "rejected": f"{opening} {poor}"}
    turn = rng.randrange(len(_FOLLOW_UPS))
    shared = f"{opening} {advice}\n\nHuman: {_FOLLOW_UPS[turn].format(thing=thing)}\n\nAssistant:"
    return {"chosen": f"{shared} {_GOOD[turn].format(thing=thing)}", "rejected": f"{shared} {poor}"}
