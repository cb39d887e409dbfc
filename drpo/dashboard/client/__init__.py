"""All that the screens know of the rest of DR-PO: one module for each neighbour.

Pages, screens and components import from here (`from drpo.dashboard import client`, then
`client.runs.pause(...)`). Beside it they name only what all speak of: errors, types, words,
metrics, figures and the cards of reports. A neighbour is reached in its own module only.
A module holds the functions that screens call and passes on the records they show. Nothing is
worked out here: what a function does, it does by a call or two below.

Functions ask the store that all visitors share. Only a thread is handed it: it may not ask
Streamlit. What changes something says what it `asks` for (`client/access.py`), and reading goes
through `store()`, which asks for `look`: here, below the screens, roles are enforced.
"""

from drpo.dashboard.client import (
    access,
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
    "access",
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
