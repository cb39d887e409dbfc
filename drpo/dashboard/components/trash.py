"""Deleting what can be brought back, and bringing it back: sweeps and reviews."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.components.notices import show_problem
from drpo.errors import DrpoError
from drpo.i18n import t

_SAID = "trash_said"


def offer_delete(what: str, item_id: str, delete: Callable[[str], None]) -> None:
    """Show how to delete one thing.

    Args:
        what: What sort of thing, for the widgets' keys.
        item_id: Which.
        delete: Deletes it; its problem is shown.
    """
    if not client.access.may("delete"):
        return
    with st.popover(t("trash.delete"), icon=":material/delete:", key=f"trash_{what}"):
        st.caption(t("trash.help"))
        st.button(
            t("trash.delete"),
            key=f"trash_{what}_delete",
            on_click=_do,
            args=(delete, item_id),
        )
    for problem in st.session_state.pop(_SAID, []):
        show_problem(problem)


def offer_restore(what: str, gone: Mapping[str, str], restore: Callable[[str], None]) -> None:
    """Show what was deleted, with the way back; nothing where nothing was.

    Args:
        what: What sort of things, for the widgets' keys.
        gone: Their names by id.
        restore: Brings one back.
    """
    if not gone or not client.access.may("delete"):
        return
    with (
        st.expander(t("trash.deleted", count=len(gone)), icon=":material/delete:"),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        chosen = st.selectbox(
            t("trash.which"),
            list(gone),
            key=f"trash_{what}_which",
            format_func=lambda key: gone[key],
        )
        st.button(
            t("trash.restore"),
            icon=":material/restore_from_trash:",
            key=f"trash_{what}_restore",
            on_click=_do,
            args=(restore, chosen),
        )


def _do(act: Callable[[str], None], item_id: str) -> None:
    try:
        act(item_id)
    except DrpoError as error:
        st.session_state[_SAID] = [error]
