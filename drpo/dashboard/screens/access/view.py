"""People with their roles, and the audit list; for admins, where people sign in."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from drpo.dashboard import client
from drpo.dashboard.client.access import ROLES, AuditRow, Listed, Role
from drpo.dashboard.client.data import table_csv
from drpo.dashboard.components.notices import notice, show_problem
from drpo.dashboard.state.language import moment
from drpo.dashboard.state.relabel import relabel
from drpo.errors import DrpoError
from drpo.i18n import t

NOBODY = "nobody"
_SAID = "access@said"
"""In the session: what became of giving a role, to be told once."""


def show_people() -> None:
    """Show who has which role, and let a role be given."""
    st.subheader(t("access.people"))
    st.caption(t("access.people_help"))
    people = client.access.everybody()
    st.dataframe(people_table(people), hide_index=True, key="access_people", alt=t("access.people"))
    said = st.session_state.pop(_SAID, None)
    if isinstance(said, DrpoError):
        show_problem(said)
    elif said:
        notice("done", said)
    relabel("access_role")
    with st.form("access_give", border=False, clear_on_submit=True):
        st.text_input(t("access.address"), key="access_name", max_chars=128)
        st.selectbox(
            t("access.role"),
            [*ROLES, NOBODY],
            key="access_role",
            format_func=lambda name: t(f"access.role_{name}"),
        )
        st.form_submit_button(t("access.give"), key="access_give_now", on_click=_give)


def people_table(people: Sequence[Listed]) -> pd.DataFrame:
    """One row for each person or pattern."""
    rows = [
        (one.name, t(f"access.role_{one.role or NOBODY}"), t(f"access.by_{one.by}"))
        for one in people
    ]
    return pd.DataFrame(rows, columns=[t("access.address"), t("access.role"), t("access.by")])


def _give() -> None:
    name, chosen = st.session_state["access_name"], st.session_state["access_role"]
    role: Role | None = None if chosen == NOBODY else chosen
    try:
        client.access.give_role(name, role)
    except DrpoError as error:
        st.session_state[_SAID] = error
    else:
        st.session_state[_SAID] = t("access.given", name=name, role=t(f"access.role_{chosen}"))


def show_audit() -> None:
    """Show who did what, newest first; of one person where one is chosen."""
    st.subheader(t("access.audit"))
    st.caption(t("access.audit_help"))
    names = sorted({row.who for row in client.access.audit() if row.who})
    who = st.selectbox(
        t("access.of"), names, index=None, key="access_of", placeholder=t("access.of_all")
    )
    rows = client.access.audit(who)
    if not rows:
        st.caption(t("access.audit_none"))
        return
    frame = audit_table(rows)
    st.dataframe(
        frame,
        hide_index=True,
        key="access_audit",
        alt=t("access.audit"),
        column_config={t("access.when"): st.column_config.DatetimeColumn(format=moment())},
    )
    st.download_button(
        "CSV",
        table_csv(frame).encode(),
        "audit.csv",
        "text/csv",
        key="access_csv",
        on_click="ignore",
        icon=":material/download:",
        type="tertiary",
    )


def audit_table(rows: Sequence[AuditRow]) -> pd.DataFrame:
    """One row for each thing that was done or refused."""
    return pd.DataFrame(
        {
            t("access.when"): pd.to_datetime([row.at for row in rows], unit="s", utc=True),
            t("access.who"): [row.who or t("access.anybody") for row in rows],
            t("access.role"): [t(f"access.role_{row.role or NOBODY}") for row in rows],
            t("access.action"): [t(f"access.do_{row.action}") for row in rows],
            t("access.what"): [row.what for row in rows],
            t("access.outcome"): [t(f"access.outcome_{row.outcome}") for row in rows],
            t("access.detail"): [row.detail for row in rows],
        }
    )
