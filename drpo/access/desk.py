"""Where an action is asked for: may they, have they room for it, and what came of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass

from drpo.access.limits import check_runs
from drpo.access.people import Person, limits_of
from drpo.access.policy import READING, Action, see_that_may
from drpo.errors import AccessError, LimitError, first_line
from drpo.store import Store

_INSIDE: ContextVar[bool] = ContextVar("inside", default=False)
_COUNTING = threading.Lock()
"""Held while somebody with a limit starts something, so that two tabs cannot pass it together."""


@dataclass(slots=True)
class Deed:
    """An action while it is done."""

    what: str = ""
    """What it is done to; a run that an action makes is known only after it."""


@contextmanager
def doing(
    store: Store, person: Person, action: Action, what: str = "", *, runs: int = 0
) -> Iterator[Deed]:
    """Ask whether a person may do something, let it be done, and write down how it ended.

    What an action itself does by others (a sweep that stops its runs) is asked for, not written.

    Args:
        store: Where the audit list is.
        person: Who asks.
        action: What they ask for.
        what: To what: a run's, a sweep's, a review's id.
        runs: Runs that it would queue or let go on.

    Raises:
        AccessError: Their role may not.
        LimitError: They have reached a limit.
    """
    deed = Deed(what)
    if _INSIDE.get() or action in READING:
        see_that_may(person, action)
        yield deed
        return

    def write(outcome: str, detail: str = "") -> None:
        store.audit.add(person.name, person.role or "", action, deed.what, outcome, detail)

    inside = _INSIDE.set(True)
    try:
        see_that_may(person, action)
        with _COUNTING if runs and limits_of(person).runs is not None else nullcontext():
            check_runs(store, person, runs)
            yield deed
            # Before the next in line counts: what was started is known by this row.
            write("done")
    except (AccessError, LimitError) as error:
        write("refused", first_line(error))
        raise
    except Exception as error:
        write("failed", first_line(error))
        raise
    finally:
        _INSIDE.reset(inside)
