"""Who somebody is and which role they have: a file that the owner names, and what admins gave.

The file is TOML, named by `DRPO_ROLES`, read anew when it has changed:

    default = "viewer"                  # whoever may sign in and is not listed; left out: no one

    [roles]
    "ann@lab.example" = "admin"
    "*@team.example" = "analyst"

    [limits.analyst]                    # or of one person: [limits."ben@lab.example"]
    runs = 4                            # queued or going on at a time
    upload_mb = 20

A role that an admin gives on the screen stands in the store. It counts before patterns and the
default, and after an address that the file names: the owner's word stands, and the admins in it
cannot be locked out.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from drpo.access.policy import ROLES, Role
from drpo.errors import ConfigError
from drpo.store import Store

FILE = "DRPO_ROLES"
KIND = "role"
"""Under which kind of document the roles stand that admins gave."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at the dashboard or behind a program."""

    name: str
    """Their address; "" where nobody signs in."""
    role: Role | None
    """None for somebody who may do nothing."""


OWNER = Person("", "admin")
"""Whoever sits at this machine, or has its token, where nobody signs in; and the server itself."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the list of people."""

    name: str
    """An address, or `*@domain`."""
    role: Role | None
    by: str
    """`file`, `admin`, or `default`."""


class Limits(BaseModel):
    """What one person may have at a time; None for as much as there is."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    runs: int | None = Field(None, ge=0)
    """Runs that are queued or going on."""
    upload_mb: float | None = Field(None, gt=0)
    """Megabytes of one upload."""


class Rules(BaseModel):
    """What the file says."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    default: Role | None = None
    roles: dict[str, Role] = {}
    limits: dict[str, Limits] = {}

    @field_validator("roles", "limits", mode="after")
    @classmethod
    def _spelled(cls, named: dict[str, object]) -> dict[str, object]:
        return {name.strip().lower(): value for name, value in named.items()}

    @field_validator("limits", mode="after")
    @classmethod
    def _of_somebody(cls, named: dict[str, object]) -> dict[str, object]:
        wrong = [name for name in named if name not in ROLES and "@" not in name]
        if wrong:
            raise ValueError(f"limits are of a role or an address, got {', '.join(wrong)}")
        return named


EVERYBODY = Rules(default="admin")
"""Where the owner names no file: whoever may sign in may do everything."""


def rules() -> Rules:
    """What the owner's file says now.

    Raises:
        ConfigError: It cannot be read, or says something that is no role or limit. Then nobody may
            do anything, which is safer than guessing.
    """
    path = rules_path()
    if path is None:
        return EVERYBODY
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"The file of roles {path}, which {FILE} names, cannot be read ({error}). Until it "
            "can, nobody may do anything here."
        ) from error
    except ValidationError as error:
        told = error.errors()[0]
        where = ".".join(map(str, told["loc"]))
        raise ConfigError(
            f"The file of roles {path}, which {FILE} names: {where}: {told['msg']}. Roles are "
            f"{', '.join(ROLES)}. Until it is put right, nobody may do anything here."
        ) from error


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> Rules:
    return Rules.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


def rules_path() -> Path | None:
    """The file of roles that the owner names, if any; then it also says who may sign in."""
    named = os.environ.get(FILE, "").strip()
    return Path(named).expanduser() if named else None


def person_named(store: Store, name: str) -> Person:
    """Somebody with the role that they have now.

    Args:
        store: Holds the roles that admins gave.
        name: Their address, as whoever vouches for it spells it.

    Raises:
        ConfigError: The owner's file cannot be used.
    """
    known = rules()
    spelled = name.strip().lower()
    if not spelled:
        return Person("", None)
    return Person(spelled, _role(store, known, spelled))


def _role(store: Store, known: Rules, name: str) -> Role | None:
    if name in known.roles:
        return known.roles[name]
    given = (store.documents.get(KIND, name) or {}).get("role")
    for role in ROLES:
        if role == given:
            return role
    fits = (role for one, role in known.roles.items() if matches(name, one))
    return next(fits, known.default)


def matches(name: str, pattern: str) -> bool:
    """Whether an address is this one, or of this `*@domain`."""
    return name == pattern or (pattern.startswith("*@") and name.endswith(pattern[1:]))


def may_sign_in(store: Store, name: str, listed: tuple[str, ...]) -> bool:
    """Whether somebody may come in at all.

    Args:
        store: Holds the roles that admins gave.
        name: Their address.
        listed: Who may sign in where the owner names no file of roles.
    """
    if rules_path() is not None:
        return person_named(store, name).role is not None
    return any(matches(name.strip().lower(), one) for one in listed)


def limits_of(person: Person) -> Limits:
    """A person's limits: their own where the file names them, else their role's."""
    known = rules().limits
    mine = known.get(person.name, Limits())
    theirs = known.get(person.role or "", Limits())
    return theirs.model_copy(update=mine.model_dump(exclude_none=True))


def give_role(store: Store, name: str, role: Role | None) -> None:
    """Give somebody a role; None takes back what was given.

    Raises:
        ConfigError: It is no address, or the owner's file names it.
    """
    spelled = name.strip().lower()
    local, _, domain = spelled.partition("@")
    if not local or "." not in domain or len(spelled) > 128 or spelled.split() != [spelled]:
        raise ConfigError(f"Expected an address such as ann@lab.example, got {name[:200]!r}.")
    if spelled in rules().roles:
        raise ConfigError(
            f"{spelled} has its role from the owner's file, and only there can it change."
        )
    if role is None:
        store.documents.remove(KIND, spelled)
    else:
        store.documents.put(KIND, spelled, {"role": role})


def everybody(store: Store) -> list[Listed]:
    """Everybody of whom something is known: from the file, from admins, and who has done something.

    Raises:
        ConfigError: The owner's file cannot be used.
    """
    known = rules()
    found = {name: Listed(name, role, "file") for name, role in known.roles.items()}
    for one in store.documents.all(KIND):
        found.setdefault(one.key, Listed(one.key, _role(store, known, one.key), "admin"))
    for name in store.audit.people():
        found.setdefault(name, Listed(name, _role(store, known, name), "default"))
    return sorted(found.values(), key=lambda one: one.name)
