"""All that the screens know of the rest of DR-PO: one module for each neighbour.

Screens, components and charts import from here (`from drpo.dashboard import client`, then
`client.runs.pause(...)`) and from no other package; a neighbour is reached in its own module only.
A module holds the functions that screens call and passes on the records they show. Nothing is
worked out here: what a function does, it does by a call or two below.

Functions ask the store that all visitors share. Those that a report needs as well take a store, as
they do below: `drpo report` brings its own.
"""

from drpo.dashboard.client import (
    alarms,
    analysis,
    config,
    data,
    evaluation,
    pilot,
    playground,
    report,
    review,
    runs,
    store,
    sweep,
)

__all__ = [
    "alarms",
    "analysis",
    "config",
    "data",
    "evaluation",
    "pilot",
    "playground",
    "report",
    "review",
    "runs",
    "store",
    "sweep",
]
