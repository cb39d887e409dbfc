"""The screens in the order of the work."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page

from drpo.dashboard import client
from drpo.dashboard.client.access import Action
from drpo.dashboard.client.store import bundled
from drpo.errors import ConfigError
from drpo.i18n import t

PAGES = bundled("pages")

_GROUPS: tuple[tuple[str, ...], ...] = (
    ("home", "data", "launch", "live"),
    ("resets", "sweep", "compare", "playground"),
    ("review", "overview", "pilot", "report"),
    ("access",),
)
_ASKED: dict[str, tuple[Action, ...]] = {"review": ("review", "look"), "access": ("audit",)}
"""What opens a screen, where that is not `look`."""
FULL_OF_CHARTS = ("live", "resets", "compare")
"""Screens that draw charts as soon as they are opened."""
_ICONS = {
    "home": "home",
    "data": "table_rows",
    "launch": "rocket_launch",
    "live": "monitoring",
    "resets": "restart_alt",
    "sweep": "grid_view",
    "compare": "stacked_line_chart",
    "playground": "edit_note",
    "review": "how_to_vote",
    "overview": "summarize",
    "pilot": "explore",
    "report": "description",
    "access": "manage_accounts",
}


def path(name: str) -> Path:
    """The file of a screen, for `st.switch_page` and `st.page_link`."""
    return PAGES / f"{name}.py"


def exists(name: str) -> bool:
    """Say whether a screen is there for the visitor; a link to one that is not is a dead end."""
    return path(name).exists() and opens(name)


def opens(name: str) -> bool:
    """Whether the visitor may see a screen; nobody may while the file of roles cannot be used."""
    if not client.access.signing_in():
        return name != "access"
    try:
        return client.access.may(*_ASKED.get(name, ("look",)))
    except ConfigError:
        return False


def screens() -> dict[str, list[Page]]:
    """The screens that the visitor may see, grouped, titled in their language.

    Home is always there, unlisted for whoever may not see it: an address without a name leads to
    it. For whoever has not signed in all are there, unlisted, so that a link waits for them.
    """
    nobody = not any(opens(name) for names in _GROUPS for name in names)
    grouped = {
        t(f"frame.group_{number}"): [
            _screen(name)
            for name in names
            if path(name).exists() and (nobody or name == "home" or opens(name))
        ]
        for number, names in enumerate(_GROUPS)
    }
    return {title: pages for title, pages in grouped.items() if pages}


def paths() -> list[str]:
    """The URL paths of all screens."""
    return ["/", *(f"/{name}" for names in _GROUPS for name in names if exists(name))]


def _screen(name: str) -> Page:
    return st.Page(
        path(name),
        title=t(f"frame.{name}"),
        icon=f":material/{_ICONS[name]}:",
        default=name == "home",
        url_path=name,
        visibility="visible" if opens(name) else "hidden",
    )
