"""How much one person may have at a time, counted where they ask for more."""

from __future__ import annotations

from drpo.access.people import Person, limits_of
from drpo.errors import LimitError
from drpo.store import Store
from drpo.store.schema import LIVE_STATUSES


def runs_of(store: Store, person: Person) -> int:
    """How many runs that a person started, or let go on, are queued or going on."""
    mine = store.audit.things(person.name, ("launch", "resume"))
    live = store.runs.all(statuses=LIVE_STATUSES, archived=True, limit=10_000)
    return sum(bool({run.id, run.sweep_id, run.story} & mine) for run in live)


def check_runs(store: Store, person: Person, more: int) -> None:
    """Refuse runs beyond a person's limit.

    Args:
        store: Where runs are queued.
        person: Who asks.
        more: Runs that would be queued or going on beside theirs.

    Raises:
        LimitError: They would have more than their limit.
    """
    most = limits_of(person).runs
    if most is None or not more:
        return
    now = runs_of(store, person)
    if now + more > most:
        raise LimitError(
            f"{person.name or 'You'} may have {most} {_runs(most)} queued or going on at a time; "
            f"there are {now}, and this asks for {more} more. Wait until one has ended, stop one, "
            "or ask for fewer at once."
        )


def check_upload(person: Person, size: int) -> None:
    """Refuse an upload beyond a person's limit.

    Args:
        person: Who brings it.
        size: Its bytes.

    Raises:
        LimitError: It is larger than they may bring.
    """
    most = limits_of(person).upload_mb
    if most is not None and size > most * 1e6:
        raise LimitError(
            f"The upload holds {size / 1e6:,.1f} MB, and {person.name or 'you'} may bring "
            f"{most:,g} MB at a time. Bring a part of it, or ask whoever runs the dashboard to "
            "read it from a folder of the server."
        )


def _runs(count: int) -> str:
    return "run" if count == 1 else "runs"
