"""`drpo supervise`: carry out the queue without a screen."""

from __future__ import annotations

import logging

from drpo.cli.output import say
from drpo.i18n import t
from drpo.runs import background_supervisor
from drpo.store import Store, workspace


def supervise() -> None:
    """Carry out the queue until stopped, for a dashboard with DRPO_SUPERVISE=0."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    store = Store()
    say(t("cli.supervises", folder=str(workspace())))
    background_supervisor.serve(store)
