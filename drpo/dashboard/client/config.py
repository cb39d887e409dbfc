"""Settings of a run: what there are, what they mean, how they read on the command line."""

from drpo.config.command_line import command_line
from drpo.config.methods import LIVE_SETTINGS, UPDATING
from drpo.config.reset_methods import METHODS, name_of
from drpo.config.run_config import RunConfig, as_trained, groups, leaves
from drpo.config.stored import without_secrets

__all__ = [
    "LIVE_SETTINGS",
    "METHODS",
    "UPDATING",
    "RunConfig",
    "as_trained",
    "command_line",
    "groups",
    "leaves",
    "name_of",
    "without_secrets",
]
