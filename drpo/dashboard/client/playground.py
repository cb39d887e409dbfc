"""The playground: which checkpoints can be asked, and asking them."""

from drpo.playground import Playground, PlaygroundSource, Sampling, sources_of
from drpo.playground.protocol import LONGEST, MOST, START

__all__ = ["LONGEST", "MOST", "START", "Playground", "PlaygroundSource", "Sampling", "sources_of"]
