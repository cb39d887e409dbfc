"""The playground: prompts of one's own to up to four checkpoints, in a process of its own.

`client` and `asking` are what a screen uses and load no torch; `engine` is the process that holds
the models, started on first use and gone again after some idle time.
"""

from drpo.playground.client import Playground
from drpo.playground.protocol import PlaygroundSource, Sampling, sources_of

__all__ = ["Playground", "PlaygroundSource", "Sampling", "sources_of"]
