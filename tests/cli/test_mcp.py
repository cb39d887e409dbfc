"""An assistant's tools, over a real client and real streams, with the roles of who it works for."""

import asyncio
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from mcp import Client, StdioServerParameters
from signing_in import MAIL, ROLES_FILE

from drpo.access import Person, may_sign_in
from drpo.cli.mcp_server import Tools, who_asks
from drpo.errors import AccessError, ConfigError
from drpo.runs.demo import demo_config

TOOLS = ["compare", "list_runs", "read_run", "start_run", "stop_run"]


@pytest.fixture
def roles(tmp_path, monkeypatch):
    file = tmp_path / "roles.toml"
    file.write_text(ROLES_FILE, encoding="utf-8")
    monkeypatch.setenv("DRPO_ROLES", str(file))
    monkeypatch.setenv("DRPO_SUPERVISE", "0")  # what is queued here is not trained
    return file


def talk(*calls, name):
    """Start `drpo mcp` as an assistant does and call tools; returns their names and answers."""
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "drpo", "mcp", "--as", name], env=dict(os.environ)
    )

    async def go():
        async with Client(server) as client:
            names = sorted(tool.name for tool in (await client.list_tools()).tools)
            answers = [await client.call_tool(tool, given) for tool, given in calls]
        return names, [(one.is_error, one.content[0].text) for one in answers]

    # In a thread: where the browser's tests ran before, this one has a loop of theirs.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, go()).result(120)


@pytest.mark.slow
def test_an_assistant_starts_reads_compares_and_stops_runs_and_is_told_what_it_may_not(
    roles,  # noqa: ARG001 - the file
    store,
):
    first = store.runs.create(demo_config(name="first", kl_coef=0.5))
    names, answers = talk(
        ("start_run", {"demo": "tldr", "settings": {"name": "second"}}),
        ("stop_run", {"run": "second"}),
        ("compare", {"runs": ["first", "second"]}),
        ("start_run", {"demo": "tldr", "settings": {"data": "/etc/passwd"}}),
        name=MAIL["analyst"],
    )
    assert names == TOOLS
    assert [wrong for wrong, _ in answers] == [False, False, False, True]
    assert json.loads(answers[1][1])["status"] == "stopped"
    assert set(json.loads(answers[2][1])["differ"]["kl_coef"]) == {first.id, *ids(store, "second")}
    assert "lies outside of the folders" in answers[3][1]
    written = [(row.who, row.action, row.outcome) for row in reversed(store.audit.all())]
    assert written == [
        (MAIL["analyst"], "launch", "done"),
        (MAIL["analyst"], "stop", "done"),
        (MAIL["analyst"], "launch", "failed"),
    ]


def ids(store, name):
    return {run.id for run in store.runs.all() if run.name == name}


def test_each_tool_asks_the_role(roles, store):  # noqa: ARG001 - the file
    run = store.runs.create(demo_config(name="first"))
    calls = {
        "look": [lambda it: it.list_runs(), lambda it: it.read_run(run.id)],
        "launch": [lambda it: it.start_run(demo="tldr")],
        "stop": [lambda it: it.stop_run(run.id)],
    }
    calls["look"].append(lambda it: it.compare([run.id]))
    may = {"viewer": {"look"}, "reviewer": set(), "analyst": set(calls), "admin": set(calls)}
    for role, allowed in may.items():
        tools = Tools(store, Person(MAIL[role], role))
        for action, several in calls.items():
            if action in allowed and action != "look":
                continue  # said by the test above
            for call in several:
                if action in allowed:
                    assert call(tools)
                else:
                    with pytest.raises(AccessError, match=MAIL[role]):
                        call(tools)


def test_where_there_are_roles_an_assistant_works_in_somebodys_name(roles, store):  # noqa: ARG001
    with pytest.raises(ConfigError, match="--as ann@lab"):
        who_asks(store, "")
    assert who_asks(store, MAIL["viewer"]).role == "viewer"
    assert who_asks(store, "nobody@lab.example").role is None
    assert not may_sign_in(store, "nobody@lab.example", ())
