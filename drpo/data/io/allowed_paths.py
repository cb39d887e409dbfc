"""Which files settings may name where somebody else than this machine's user gives them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from drpo.data.io.hub import is_hub_name
from drpo.errors import ConfigError
from drpo.store import workspace
from drpo.system.bundled import bundled

ROOTS = "DRPO_ALLOWED_ROOTS"
_SOURCES = ("data", "heldout", "demonstrations")
_MODELS = ("policy", "reward_model", "chat_template")


def roots(*, free: bool) -> list[Path] | None:
    """Folders that a path may lie in: those that the owner names, the workspace, sample data.

    Args:
        free: Whether any path will do while the owner names no folder.

    Returns:
        The folders; None for any that this process may read.
    """
    named = os.environ.get(ROOTS, "").split(os.pathsep)
    listed = [Path(part).expanduser() for part in named if part]
    if not listed and free:
        return None
    return [path.resolve() for path in (*listed, workspace(), bundled("sample_data"))]


def see_that_all_are_allowed(
    settings: Mapping[str, object],
    is_saved: Callable[[str], bool],
    allowed: Sequence[Path] | None,
) -> None:
    """Refuse settings that name a file outside of the allowed folders.

    Args:
        settings: A run's, by leaf name, or some of them; an axis of a sweep gives a list of values.
        is_saved: Whether a name is that of a saved data set, which is no path.
        allowed: As `roots` gives them.

    Raises:
        ConfigError: One does; whether there is such a file is not said.
    """
    for leaf in (*_SOURCES, *_MODELS):
        given = settings.get(leaf)
        for value in given if isinstance(given, list | tuple) else (given,):
            if value and not (leaf in _SOURCES and is_saved(str(value))):
                _see_that_one_is_allowed(str(value), leaf, allowed)


def _see_that_one_is_allowed(text: str, what: str, allowed: Sequence[Path] | None) -> None:
    if allowed is None:
        return
    try:
        path = Path(text).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):
        path = Path("/")
    if any(path.is_relative_to(root) for root in allowed):
        return
    if is_hub_name(text) and not path.exists():
        return
    raise ConfigError(
        f"{what}: {text[:200]!r} lies outside of the folders that may be read from here, because "
        "others can reach it. Put it into the workspace, upload it, or have whoever runs this add "
        f"its folder to {ROOTS}."
    )
