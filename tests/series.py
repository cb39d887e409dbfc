"""Series and figures for the tests of charts."""

import base64

import numpy as np

from drpo.analysis.metric_series import EMPTY, Series
from drpo.charts import palette


class Run:
    """A run's series without a store."""

    def __init__(self, **series):
        self.series = {name: as_series(points) for name, points in series.items()}

    def get(self, name):
        return self.series.get(name, EMPTY)


def as_series(points):
    steps, values = zip(*points, strict=True)
    return Series(np.array(steps, np.int32), np.array(values, np.float32))


def coloured(figure):
    """A figure with its meanings as colours; what means nothing stays, and plotly refuses it."""
    if isinstance(figure, dict):
        return {key: coloured(value) for key, value in figure.items()}
    if isinstance(figure, list | tuple):
        return [coloured(value) for value in figure]
    if isinstance(figure, str) and figure.startswith("@"):
        return palette.COLOURS["light"].get(figure[1:].split("/")[0], figure)
    return figure


def numbers(packed):
    return np.frombuffer(base64.b64decode(packed["bdata"]), np.float32)
