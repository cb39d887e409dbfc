"""A run's settings as the command that gives them."""

from __future__ import annotations

import shlex
from typing import Any

ALIASES = {"policy": ("--model",)}
"""Shorter names people expect; the setting's own name works too."""


def command_line(settings: dict[str, Any], command: str = "drpo train") -> str:
    """The command that gives these settings; what the launch form shows beside its button."""
    words = command.split()
    for leaf, value in settings.items():
        name = (ALIASES.get(leaf) or (flag(leaf),))[0]
        if isinstance(value, bool):
            words.append(name if value else name.replace("--", "--no-", 1))
        else:
            text = ",".join(value) if isinstance(value, tuple | list) else str(value)
            words += [name, "none" if value is None else text]
    return shlex.join(words)


def flag(leaf: str) -> str:
    """Return the flag of a setting: `kl_coef` is `--kl-coef`."""
    return "--" + leaf.replace("_", "-")
