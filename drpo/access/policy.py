"""The table: which role may do what. Whatever is not in it nobody may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from drpo.errors import AccessError

if TYPE_CHECKING:
    from drpo.access.people import Person

Role = Literal["viewer", "reviewer", "analyst", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)

Action = Literal[
    "look",
    "review",
    "ask",
    "launch",
    "stop",
    "pause",
    "resume",
    "settings",
    "decide",
    "upload",
    "draw",
    "organise",
    "delete",
    "erase",
    "users",
    "audit",
]
ACTIONS: tuple[Action, ...] = get_args(Action)
READING: tuple[Action, ...] = ("look", "audit")
"""Change nothing, so the audit list does not hold them."""

_WORK: tuple[Role, ...] = ("analyst", "admin")
POLICY: dict[Action, tuple[Role, ...]] = {
    "look": ("viewer", "analyst", "admin"),
    # A reviewer sees reviews and nothing else: who knows a run's figures does not judge blindly.
    "review": ("reviewer", "analyst", "admin"),
    "ask": _WORK,
    "launch": _WORK,
    "stop": _WORK,
    "pause": _WORK,
    "resume": _WORK,
    "settings": _WORK,
    "decide": _WORK,
    "upload": _WORK,
    "draw": _WORK,
    "organise": _WORK,
    "delete": _WORK,
    "erase": ("admin",),
    "users": ("admin",),
    "audit": ("admin",),
}

DESCRIBED: dict[Action, str] = {
    "look": "see runs, data, results and reports, and download them",
    "review": "judge the items of a blind review",
    "ask": "put prompts to checkpoints (Playground, Resets)",
    "launch": "start runs, sweeps, pilots and evaluations",
    "stop": "stop what is going on",
    "pause": "pause a run",
    "resume": "let a run or a sweep go on",
    "settings": "change a live run's settings",
    "decide": "answer an alarm, write down a pilot's decision",
    "upload": "bring a file, correct it, save it as a version",
    "draw": "draw a blind review, save its votes as data",
    "organise": "rename, tag, pin and archive runs",
    "delete": "delete what can be brought back, and bring it back",
    "erase": "remove a deleted run for good",
    "users": "give a person a role",
    "audit": "read who did what",
}
"""What each action covers, as docs/roles.md says it."""


def allows(role: Role | None, *actions: Action) -> bool:
    """Whether a role may do any of these; no role may do nothing."""
    return any(role in POLICY[action] for action in actions)


def see_that_may(person: Person, *actions: Action) -> None:
    """Refuse a person who may do none of these.

    Raises:
        AccessError: They may not; the sentence says which roles may.
    """
    if allows(person.role, *actions):
        return
    roles = [role for role in ROLES if allows(role, *actions)]
    who = person.name or "Somebody who has not signed in"
    has = f"is {_a(person.role)}" if person.role else "has no role here"
    raise AccessError(
        f"{who} {has}, and to {DESCRIBED[actions[0]]} takes {' or '.join(map(_a, roles))}. Ask "
        "whoever runs the dashboard for another role."
    )


def _a(role: Role) -> str:
    return f"an {role}" if role.startswith("a") else f"a {role}"
