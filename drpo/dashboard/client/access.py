"""Who the visitor is, what they may do, and the list of what everybody did."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from drpo import access
from drpo.access import OWNER, ROLES, Action, Person, Role, doing, see_that_may
from drpo.access.people import Limits, Listed, limits_of, rules, rules_path
from drpo.access.policy import allows
from drpo.dashboard import reach
from drpo.dashboard.client.opened import opened
from drpo.store.audit import AuditRow

__all__ = [
    "ROLES",
    "Action",
    "AuditRow",
    "Limits",
    "Listed",
    "Person",
    "Role",
    "asks",
    "audit",
    "everybody",
    "give_role",
    "may",
    "my_limits",
    "named_by",
    "person",
    "rules_file",
    "see_that_may_upload",
    "signing_in",
    "visitor",
]

P = ParamSpec("P")
R = TypeVar("R")


def signing_in() -> bool:
    """Whether people sign in here; otherwise whoever comes in may do everything."""
    return reach.signing_in()


def person() -> Person:
    """Who asks now, with the role that they have at this moment.

    Raises:
        ConfigError: The owner's file of roles cannot be used.
    """
    # The server's own threads ask as the server: the supervisor, what was started for somebody.
    if get_script_run_ctx(suppress_warning=True) is None or not signing_in():
        return OWNER
    user = st.user.to_dict()
    # A provider that says nothing of it has no addresses that it has not verified.
    if not user.get("is_logged_in") or not user.get("email_verified", True):
        return Person("", None)
    return named_by(str(user.get("email") or ""))


def named_by(mail: str) -> Person:
    """Somebody who signed in with this address; without a role unless they may come in.

    Raises:
        ConfigError: The owner's file of roles cannot be used.
    """
    found = access.person_named(opened(), mail)
    known = access.may_sign_in(opened(), mail, reach.users())
    return found if known else Person(found.name, None)


def rules_file() -> Path | None:
    """The owner's file of roles, once it has been read; None where there is none.

    Raises:
        ConfigError: It cannot be used.
    """
    rules()
    return rules_path()


def visitor(otherwise: str) -> str:
    """What a run's events call the visitor: the signed-in person, else what is given."""
    return person().name[:64] or otherwise


def may(*actions: Action) -> bool:
    """Whether the visitor may do any of these; for showing what can be pressed."""
    return allows(person().role, *actions)


def my_limits() -> Limits:
    """What the visitor may have at a time."""
    return limits_of(person())


def _first(*args: Any, **_: Any) -> str:  # noqa: ANN401 - whatever is asked for
    return args[0] if args and isinstance(args[0], str) else ""


def asks(
    action: Action,
    *,
    what: Callable[..., str] = _first,
    made: Callable[[Any], str] | None = None,
    runs: Callable[..., int] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function be called only by who may, and write down that it was.

    Args:
        action: What it does.
        what: To what, of its arguments; the first one where that is a text.
        made: The same of its result, where that says more.
        runs: Of its arguments, how many runs it would queue or let go on.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def asked(*args: P.args, **kwargs: P.kwargs) -> R:
            who = person()
            if not allows(who.role, action):
                # Refused before anything of the arguments is looked at.
                with doing(opened(), who, action, _first(*args)):
                    pass
            more = runs(*args, **kwargs) if runs else 0
            with doing(opened(), who, action, what(*args, **kwargs), runs=more) as deed:
                result = function(*args, **kwargs)
                if made is not None:
                    deed.what = made(result)
            return result

        asked.asks = action  # type: ignore[attr-defined]  # for whoever lists what there is
        return asked

    return wrap


def see_that_may_upload(mail: str, size: int) -> None:
    """Refuse a file before it is taken; for the gate, which sees it first.

    Raises:
        AccessError: Whoever sends it may not upload.
        LimitError: It is larger than they may bring.
    """
    sender = named_by(mail)
    see_that_may(sender, "upload")
    access.check_upload(sender, size)


@asks("audit")
def audit(who: str | None = None, *, limit: int = 500) -> list[AuditRow]:
    """The newest rows of the audit list, newest first; of one person where one is named."""
    return opened().audit.all(who=who, limit=limit)


@asks("audit")
def everybody() -> list[Listed]:
    """Everybody of whom something is known."""
    return access.everybody(opened())


@asks("users", what=lambda name, role: f"{name}: {role or 'none'}")
def give_role(name: str, role: Role | None) -> None:
    """Give somebody a role; None takes back what was given; see `access.give_role`."""
    access.give_role(opened(), name, role)
