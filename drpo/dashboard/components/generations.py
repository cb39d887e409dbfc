"""What the policy writes: fixed held-out prompts at every evaluation, and training episodes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import streamlit as st

from drpo.dashboard.client.store import Run, SampleRow, store
from drpo.dashboard.components.sample_cards import markdown_switch, page, show_told, told_of
from drpo.dashboard.state import url_state
from drpo.dashboard.state.shared import shared
from drpo.i18n import language, t
from drpo.i18n.format import distinct_names
from drpo.report.cards import Answer, PromptCard, data_answer, policy_answer

T = TypeVar("T")
KINDS = ("heldout", "episode")
PER_PAGE = 8
FOLLOW = "step@follow"
"""In the session: what the slider's step was chosen for, and whether it follows the newest."""


def show_generations(
    runs: Sequence[Run],
    names: Sequence[str],
    *,
    height: int | None = None,
    version: Hashable = None,
) -> int | None:
    """Show answers of one or several runs to the same prompts, with a step slider.

    Args:
        runs: One run, or several side by side.
        names: What to call each run's answers; ignored for one run. Runs that are called the same
            are told apart by their ids.
        height: Pixels after which the list scrolls by itself.
        version: Another one whenever the runs have written something; viewers of the same version
            share what is read. Left out, it is read anew.

    Returns:
        The step that is shown; None where there is nothing yet.
    """

    def once(key: tuple[Hashable, ...], make: Callable[[], T]) -> T:
        return make() if version is None else shared((*key, version), make)

    ids = tuple(run.id for run in runs)
    st.subheader(t("live.generations"))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        kind = _kind() if len(runs) == 1 else "heldout"
        of_each = once(("steps", ids, kind), lambda: [_steps(run_id, kind) for run_id in ids])
        steps = sorted({step for of_one in of_each for step in of_one})
        if not steps:
            st.caption(t("live.no_samples"))
            return None
        step = step_slider(steps, _belonging(ids, kind))
        url_state.recall_flag("show_data")
        with_data = st.toggle(t("live.show_data"), key="show_data", help=t("live.show_data_help"))
        url_state.record_flag("show_data", with_data)
        markdown = markdown_switch()
    st.caption(t(f"live.{kind}_help"))
    what = ("cards", ids, tuple(names), kind, step, with_data, language())

    def cards_of() -> list[PromptCard]:
        rows = [_at(run_id, known, step, kind) for run_id, known in zip(ids, of_each, strict=True)]
        if len(rows) == 1:
            return [card(index, [(one, "")], with_data) for index, one in enumerate(rows[0])]
        told = [
            _with_step(name, samples)
            for name, samples in zip(distinct_names(names, ids), rows, strict=True)
        ]
        return side_by_side(rows, told, with_data)

    cards = once(what, cards_of)
    places = page("answers_page", len(cards), PER_PAGE)

    def told() -> bytes:
        return told_of([cards[at] for at in places], height, markdown=markdown)

    show_told(once((*what, places, height, markdown), told), key="answers")
    return step


def step_slider(steps: Sequence[int], belonging: str = "") -> int:
    """Choose an evaluation; follows the newest until somebody chooses another.

    Args:
        steps: In their order; at least one.
        belonging: What the steps are those of. A step chosen for one thing holds up no other. Left
            out, it is the run chosen on this screen.

    Returns:
        The step chosen.
    """
    names = [str(step) for step in steps]
    belonging = belonging or str(st.session_state.get("run"))
    asked = url_state.asked("step")
    chosen_for, following = st.session_state.get(FOLLOW, ("", True))
    if url_state.is_news("step", asked):
        # A link, the Back button, or a screen that was left and is opened again.
        st.session_state["step"] = asked
        following = asked not in names[:-1]
    elif chosen_for != belonging or st.session_state["step"] not in names:
        following = True
    st.session_state[FOLLOW] = belonging, following
    if following:
        st.session_state["step"] = names[-1]
    if len(names) == 1:
        st.caption(t("live.only_step", step=names[0]))
        return steps[0]

    def _chosen() -> None:
        st.session_state[FOLLOW] = belonging, st.session_state["step"] == names[-1]

    chosen = st.select_slider(t("live.step"), names, key="step", on_change=_chosen, width="stretch")
    url_state.record("step", "" if chosen == names[-1] else chosen)
    return int(chosen)


def open_at(run_id: str, step: int) -> None:
    """Show the held-out answers of one step of a run from the next run of the screen on."""
    st.session_state["kind"] = KINDS[0]
    st.session_state["step"] = str(step)
    st.session_state[FOLLOW] = _belonging([run_id], KINDS[0]), False
    # Otherwise what stood in the URL before could pass for news.
    url_state.record("step", str(step))


def _belonging(run_ids: Sequence[str], kind: str) -> str:
    return " ".join([*run_ids, kind])


def side_by_side(
    rows: Sequence[Sequence[SampleRow]], names: Sequence[str], with_data: bool
) -> list[PromptCard]:
    """Join several runs' samples by prompt; only prompts that all runs answered."""
    by_item = [{(sample.item, sample.prompt): sample for sample in run} for run in rows]
    common = [key for key in by_item[0] if all(key in other for other in by_item[1:])]
    return [
        card(
            index,
            [(samples[key], name) for samples, name in zip(by_item, names, strict=True)],
            with_data,
        )
        for index, key in enumerate(common)
    ]


def _kind() -> str:
    url_state.recall("kind", KINDS, KINDS[0])
    kind = st.segmented_control(
        t("live.which"),
        KINDS,
        key="kind",
        required=True,
        format_func=lambda name: t(f"live.kind_{name}"),
    )
    url_state.record("kind", str(kind), KINDS[0])
    return str(kind)


def _steps(run_id: str, kind: str) -> list[int]:
    return store().samples.steps(run_id, kind)


def _at(run_id: str, known: Sequence[int], step: int, kind: str) -> list[SampleRow]:
    """A run's samples at a step, or at its last one before: runs may be at different steps."""
    earlier = [one for one in known if one <= step]
    return store().samples.at(run_id, earlier[-1], kind) if earlier else []


def _with_step(name: str, samples: Sequence[SampleRow]) -> str:
    return t("live.name_at", name=name, step=samples[0].step) if samples else name


def card(index: int, samples: Sequence[tuple[SampleRow, str]], with_data: bool) -> PromptCard:
    """One prompt with what one or several runs, each with its name, wrote to it."""
    first = samples[0][0]
    answers: list[Answer] = [policy_answer(sample, name) for sample, name in samples]
    data = data_answer(first) if with_data else None
    key = "live.heldout_prompt" if first.kind == "heldout" else "live.episode_number"
    return PromptCard(
        # By place, not by prompt: episodes of the next update then reuse the same cards.
        id=f"{first.kind}-{first.item if first.kind == 'heldout' else index}",
        title=t(key, number=index + 1),
        prompt=first.prompt.strip(),
        answers=[*answers, *([data] if data else [])],
    )
