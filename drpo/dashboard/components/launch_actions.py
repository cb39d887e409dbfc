"""Starting runs with one click, and going to where they can be watched."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from drpo.dashboard import client, navigation
from drpo.dashboard.client.config import RunConfig
from drpo.dashboard.client.runs import Story
from drpo.dashboard.client.store import Run, store
from drpo.i18n import t


def launch(config: RunConfig) -> Run:
    """Check a run's settings and inputs, then queue it.

    Raises:
        DrpoError: Something is wrong; nothing was queued.
    """
    with st.spinner(t("home.queued")):
        return client.runs.launch(config)


def open_live(run_id: str, beside: str = "") -> NoReturn:
    """Go to Live, to one run or to two side by side."""
    query = {"run": run_id, **({"beside": beside} if beside else {})}
    st.switch_page(navigation.path("live"), query_params=query)


def launch_form_with(data: str) -> NoReturn:
    """Open the launch form with a saved data set; models are still to be chosen.

    Blank, because the sample tasks bring their own models and held-out pairs.
    """
    st.switch_page(navigation.path("launch"), query_params={"start": "blank", "data": data})


def run_demo(task: str = "tldr") -> NoReturn:
    """Start the demo of a task and show it."""
    open_live(launch(client.runs.demo_config(task)).id)


def run_story(story: Story) -> NoReturn:
    """Start both runs of a story and show them side by side."""
    with st.spinner(t("home.queued")):
        runs = client.runs.launch_story(story)
    open_live(runs[0].id, runs[1].id)


def last_story(story: Story) -> list[str]:
    """The runs of the newest showing of a story, in the story's order; empty if there is none."""
    shown = [run for run in store().runs.all(limit=200) if run.story.startswith(f"{story.name}:")]
    if not shown:
        return []
    newest = max(shown, key=lambda run: run.created_at).story
    pair = sorted((run for run in shown if run.story == newest), key=lambda run: run.created_at)
    return [run.id for run in pair] if len(pair) == 2 else []
