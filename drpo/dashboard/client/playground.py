"""The playground: which checkpoints can be asked, and asking them."""

from drpo.playground import Playground, Sampling, Source, sources_of
from drpo.playground.protocol import LONGEST, MOST, START

__all__ = ["LONGEST", "MOST", "START", "Playground", "Sampling", "Source", "sources_of"]
