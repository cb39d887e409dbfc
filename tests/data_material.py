"""Made-up rows, and what the data report says of them."""

import json

from drpo.data.io.source import Source
from drpo.data.quality.report import Settings, check_source

THINGS = [
    "kite",
    "lamp",
    "bell",
    "drum",
    "sock",
    "ring",
    "boat",
    "coin",
    "rope",
    "vase",
    "mask",
    "fork",
]


def report_on(rows: list[dict[str, object]], **settings):
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return check_source(Source.from_bytes(content, name="f.jsonl"), Settings(**settings))


def rows(count: int, **extra: object) -> list[dict[str, object]]:
    return [
        {
            "prompt": f"What of the {THINGS[n % 12]} in house {n * 7919}? Tell me what you saw.",
            "chosen": f"The {THINGS[n % 12]} was number {n}, old and quite heavy to carry alone.",
            "rejected": f"No idea {n}.",
            **extra,
        }
        for n in range(count)
    ]
