"""An answer's tokens to choose from, what else could have followed, and what positions are worth.

Which answer, which token and how many continuations stand in the URL; what was drawn is kept in the
store under the answer's own key, so that the same link shows it again.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from drpo.charts.palette import COLOURS
from drpo.charts.position_values import position_values
from drpo.dashboard.assets import read_assets
from drpo.dashboard.client import playground
from drpo.dashboard.client.store import store
from drpo.dashboard.components.branches import keeping
from drpo.dashboard.components.branches.job import Branchable, Branches, find, start
from drpo.dashboard.components.live_chart import live_chart
from drpo.dashboard.components.notices import guarded, notice
from drpo.dashboard.state import url_state
from drpo.i18n import t
from drpo.i18n.format import number

TICK = 0.5
OPEN, ANSWER, TOKEN, COUNT = "branches", "branch_of", "branch_at", "branch_count"
"""The fields' keys, and their names in the URL."""
ASKED = "branch_asked"
"""In the session: what was asked for last."""
_TOKENS = st.components.v2.component(
    "drpo_branch_tokens",
    html='<div class="tokens"></div>',
    js=read_assets("common.js", "tokens.js"),
    css=read_assets("tokens.css"),
)


def show_branches(answers: Sequence[Branchable]) -> None:
    """Offer to continue one of the screen's answers from any of its tokens; folded at first.

    Args:
        answers: Those to choose from, at least one.
    """
    url_state.recall_flag(OPEN)
    folded = st.expander(t("branches.title"), key=OPEN, on_change="rerun")
    url_state.record_flag(OPEN, bool(folded.open))
    if not folded.open:
        return
    with folded:
        st.caption(t("branches.lead"))
        one, count = _choices(answers)
        # The run's name is a person's text.
        st.text(t("branches.policy", source=one.source_name))
        live = find(store(), one.key).live
        st.fragment(guarded(_show), run_every=TICK if live else None)(one, count, live)


def _choices(answers: Sequence[Branchable]) -> tuple[Branchable, int]:
    known = {one.id: one for one in answers}
    first = next(iter(known))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        url_state.recall(ANSWER, list(known), first)
        chosen = st.selectbox(
            t("branches.answer"),
            list(known),
            key=ANSWER,
            format_func=lambda one: known[one].name,
        )
        url_state.record(ANSWER, str(chosen), first)
        fewest, most = playground.FEWEST_CONTINUATIONS, playground.MOST_CONTINUATIONS
        url_state.recall_number(COUNT, fewest, most, 8)
        count = st.slider(
            t("branches.count"), fewest, most, step=1, key=COUNT, help=t("branches.count_help")
        )
        url_state.record_number(COUNT, count, 8)
    return known[str(chosen)], count


def _show(one: Branchable, count: int, was_live: bool) -> None:
    here = find(store(), one.key)
    if was_live != here.live:
        # The whole page: it begins to look, or ends the looking.
        st.rerun()
    mine = _asked_last(one)
    if mine.error:
        notice("problem", mine.error)
    if not here.tokens:
        _buttons_before(one, count, here)
        return
    place = _choose_token(here)
    _buttons(one, count, here, place)
    _show_values(here, place)
    _show_continuations(one, here, place)


def _buttons_before(one: Branchable, count: int, here: Branches) -> None:
    if here.live:
        st.caption(t("branches.loading"))
        _stop_button(here)
    elif st.button(t("branches.begin"), key="branch_begin", icon=":material/segment:"):
        _start(one, [], count)


def _start(one: Branchable, positions: Sequence[int], count: int) -> None:
    st.session_state[ASKED] = start(store(), one, positions, count)
    st.rerun()


def _asked_last(one: Branchable) -> Branches:
    """What this visitor asked for last of this answer: how that ended is not kept with the rest."""
    asked: Branches | None = st.session_state.get(ASKED)
    return asked if asked is not None and asked.key == one.key else Branches(one.key)


def _stop_button(here: Branches) -> None:
    st.button(t("branches.stop"), key="branch_stop", icon=":material/stop:", on_click=here.stop)


def _choose_token(here: Branches) -> int:
    """The position that the visitor chose: by a click or Enter on a token, or by its number."""
    last = len(here.tokens)
    url_state.recall_number(TOKEN, 0, last, 0)
    if st.session_state[TOKEN] > last:
        # Another answer was chosen, which is shorter.
        st.session_state[TOKEN] = last
    place = int(st.session_state[TOKEN])
    decided = playground.decision(playground.values(here.drawn))
    _TOKENS(
        data={
            "answers": [
                {
                    "title": "",
                    "note": "",
                    "error": "",
                    "finished": True,
                    "figures": [],
                    "given": place,
                    "chosen": place,
                    "decided": [decided.start, decided.end] if decided else None,
                    "tokens": [
                        {"text": text, "shade": ["kl", 0], "hover": _hover(here, index)}
                        for index, text in enumerate(here.tokens)
                    ],
                }
            ],
            "colours": COLOURS,
            "words": {
                "continue_from": t("branches.choose"),
                "unfinished": "",
                "given": t("branches.given"),
            },
        },
        key="branch_tokens",
        on_cut_change=_take_click,
    )
    place = st.number_input(
        t("branches.token", last=last), 0, last, step=1, key=TOKEN, help=t("branches.token_help")
    )
    url_state.record_number(TOKEN, place, 0)
    return place


def _take_click() -> None:
    cut = st.session_state["branch_tokens"].get("cut")
    if cut:
        st.session_state[TOKEN] = int(cut["index"])


def _hover(here: Branches, index: int) -> str:
    drawn = {index: here.drawn[index]} if index in here.drawn else {}
    measured = playground.values(drawn)
    if not measured or measured[0].outcome.value is None:
        return t("branches.token_hover", index=index)
    return t("branches.token_value", index=index, value=number(measured[0].outcome.value))


def _buttons(one: Branchable, count: int, here: Branches, place: int) -> None:
    if here.live:
        st.caption(_progress(one, here))
        _stop_button(here)
        return
    finer = playground.finer(playground.values(here.drawn))
    with st.container(horizontal=True, gap="small"):
        if st.button(t("branches.continue"), key="branch_continue", icon=":material/alt_route:"):
            _start(one, [place], count)
        every = playground.spread(len(here.tokens))
        # The same seed would draw the same once more.
        missing = [at for at in every if len(here.drawn.get(at, ())) != count]
        if st.button(
            t("branches.measure", positions=len(every)),
            key="branch_measure",
            icon=":material/show_chart:",
            disabled=not missing,
            help=t("branches.measure_help", answers=len(missing) * count),
        ):
            _start(one, missing, count)
        if finer and st.button(
            t("branches.finer", first=finer[0], last=finer[-1]),
            key="branch_finer",
            icon=":material/zoom_in:",
        ):
            _start(one, finer, count)
    mine = _asked_last(one)
    if mine.stopped:
        st.caption(t("branches.stopped", done=mine.done, all=len(mine.plan)))


def _progress(one: Branchable, here: Branches) -> str:
    if here.done == len(here.plan):
        return t("branches.ending")
    if not here.done and not here.beats:
        return t("branches.loading")
    at = here.plan[here.done]
    return t(
        "branches.writing",
        place=here.done + 1,
        places=len(here.plan),
        token=here.beats,
        most=max(0, one.length - at),
        count=here.count,
    )


def _show_values(here: Branches, place: int) -> None:
    judge = playground.judge(here.drawn)
    measured = playground.values(here.drawn)
    if judge is None or len(measured) < 2:
        if here.drawn and judge is None:
            st.caption(t("branches.no_judge"))
        return
    decided = playground.decision(measured)
    live_chart(
        position_values(measured, judge, tokens=len(here.tokens), chosen=place, decided=decided),
        key="branch_values",
        revision=here.key,
        height=300,
        alt=t("branches.values_help"),
        on_pick=_take_pick,
    )
    if decided is None:
        st.markdown(f"**{t('branches.undecided')}**")
    else:
        word = "dropped" if decided.change < 0 else "rose"
        single = decided.end - decided.start == 1
        st.markdown(
            "**"
            + t(
                f"branches.{word}_{'at' if single else 'between'}",
                first=decided.start,
                last=decided.end - 1,
                change=number(abs(decided.change)),
            )
            + "**"
        )
        st.text("".join(here.tokens[decided.start : decided.end]))
    st.caption(t("branches.values_help"))


def _take_pick(place: int) -> None:
    st.session_state[TOKEN] = int(place)


def _show_continuations(one: Branchable, here: Branches, place: int) -> None:
    several = here.drawn.get(place)
    if not several:
        st.caption(t("branches.none_here"))
        return
    frame = pd.DataFrame(
        {
            t("branches.col_number"): range(1, len(several) + 1),
            t("branches.col_text"): [each.text for each in several],
            t("branches.col_gold"): [each.gold for each in several],
            t("branches.col_score"): [each.score for each in several],
            t("branches.col_finished"): [each.finished for each in several],
        }
    ).dropna(axis=1, how="all")
    st.dataframe(frame, hide_index=True, key="branch_table", alt=t("branches.table"))
    keeping.offer(one, here, place)
