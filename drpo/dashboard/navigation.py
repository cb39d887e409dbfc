"""The screens in the order of the work."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page

from drpo.dashboard.client.store import bundled
from drpo.i18n import t

PAGES = bundled("pages")

_GROUPS: tuple[tuple[str, ...], ...] = (
    ("home", "data", "launch", "live"),
    ("resets", "sweep", "compare", "playground"),
    ("review", "overview", "pilot", "report"),
)
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
}


def path(name: str) -> Path:
    """The file of a screen, for `st.switch_page` and `st.page_link`."""
    return PAGES / f"{name}.py"


def exists(name: str) -> bool:
    """Say whether a screen is there; a link to one that is not would be a dead end."""
    return path(name).exists()


def screens() -> dict[str, list[Page]]:
    """All screens that exist, grouped, titled in the visitor's language."""
    grouped = {
        t(f"frame.group_{number}"): [_screen(name) for name in names if exists(name)]
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
    )
