"""Settings of a run: what there are, what they mean, how they read on the command line."""

from drpo.config.command_line import command_line
from drpo.config.run_config import RunConfig, groups, leaves
from drpo.config.settings import UPDATING

__all__ = ["UPDATING", "RunConfig", "command_line", "groups", "leaves"]
