"""Which trackers there are, and whether they are installed; known without loading any."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from drpo.errors import ConfigError

TRACKERS = {
    "tensorboard": "tensorboard",
    "mlflow": "mlflow",
    "wandb": "wandb",
    "trackio": "trackio",
}
"""The Python package of each."""


def check_installed(names: Sequence[str]) -> None:
    """Refuse trackers that there are not, or that are not installed.

    Raises:
        ConfigError: One is; the sentence says what to do.
    """
    unknown = [name for name in names if name not in TRACKERS]
    if unknown:
        raise ConfigError(
            f"report_to: expected names among {', '.join(TRACKERS)}, got {', '.join(unknown)}."
        )
    missing = [name for name in names if find_spec(TRACKERS[name]) is None]
    if missing:
        raise ConfigError(
            f"report_to: {', '.join(missing)} is not installed here; pip install 'drpo[trackers]', "
            "or leave it out."
        )
