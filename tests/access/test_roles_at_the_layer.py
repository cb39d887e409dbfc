"""Each role against each action, straight at the layer below the screens; limits; the audit."""

import inspect
import threading
from pathlib import Path

import pytest
from signing_in import MAIL, sign_in_configured, visiting

from drpo.access import ACTIONS, ROLES, person_named
from drpo.access.policy import DESCRIBED
from drpo.config.run_config import RunConfig
from drpo.dashboard import client
from drpo.errors import AccessError, ConfigError, LimitError

ROOT = Path(__file__).parents[2]
MODULES = [module for _, module in inspect.getmembers(client, inspect.ismodule)]
ASKING = [
    function
    for module in MODULES
    for _, function in inspect.getmembers(module, inspect.isfunction)
    if function.__module__ == module.__name__ and hasattr(function, "asks")
]
LOOKING = [
    lambda: client.store.store(),
    lambda: client.data.uploads(),
    lambda: client.alarms.alarms_of("x"),
    lambda: client.pilot.every(),
    lambda: client.sweep.every(),
    lambda: client.review.results("x"),
    lambda: client.review.preference_rows("x"),
    lambda: client.report.build(["x"], kind="md", lang="en"),
    lambda: client.evaluation.evaluation_of("x", 1),
    lambda: client.runs.bytes_of and client.store.store().runs.all(),
]
"""What shows something of runs and data; the rest of the client is handed what these give."""


@pytest.fixture
def roles(store, tmp_path, monkeypatch):  # noqa: ARG001 - the workspace
    (tmp_path / "owner").mkdir()
    with sign_in_configured(tmp_path / "owner", monkeypatch) as file:
        yield file


def table(through):
    """The page's table, of what each role was let through to."""
    rows = [
        f"| `{action}` | "
        + " | ".join("yes" if through[action, role] else "–" for role in ROLES)
        + f" | {DESCRIBED[action]} |"
        for action in ACTIONS
    ]
    return "\n".join([f"| action | {' | '.join(ROLES)} | |", f"|---|{'---|' * 5}", *rows])


def let_through(function, *arguments):
    """Whether a call got past the question who asks; what it then made of nothing is not asked."""
    try:
        function(*arguments)
    except AccessError:
        return False
    except Exception:  # the arguments are nothing at all
        return True
    return True


def nothings(function):
    parameters = inspect.signature(function).parameters.values()
    return [None for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]


@pytest.mark.usefixtures("roles")
def test_each_role_may_do_straight_at_the_layer_what_the_page_says():
    found = {}
    for role in ROLES:
        with visiting(MAIL[role]):
            for function in ASKING:
                through = let_through(function, *nothings(function))
                assert found.setdefault((function.asks, role), through) == through, function
            for look in LOOKING:
                through = let_through(look)
                assert found.setdefault(("look", role), through) == through, look
    assert {action for action, _ in found} == set(ACTIONS)
    assert table(found) in (ROOT / "docs" / "roles.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("roles")
@pytest.mark.parametrize("mail", ["", "nobody@lab.example", "ad@lab.example.evil"])
def test_whoever_has_not_signed_in_or_has_no_role_may_do_nothing(mail):
    with visiting(mail):
        assert not any(let_through(one, *nothings(one)) for one in ASKING)
        assert not any(map(let_through, LOOKING))
        assert not let_through(client.review.every)


@pytest.mark.usefixtures("roles")
def test_an_address_that_the_provider_has_not_verified_is_nobodys():
    with visiting(MAIL["admin"], email_verified=False):
        assert not any(map(let_through, LOOKING))


def test_no_function_of_the_client_changes_anything_unasked():
    """A name that promises to change something belongs to a function that asks."""
    asked = {one.__name__ for one in ASKING}
    verbs = ("create", "delete", "restore", "erase", "launch", "start", "stop", "resume", "pause")
    verbs += ("save", "add", "change", "rename", "tag", "decide", "give", "vote", "undo", "mark")
    for module in MODULES:
        for name, function in inspect.getmembers(module, inspect.isfunction):
            own = function.__module__ == module.__name__ and not name.startswith("_")
            if own and name.split("_")[0] in verbs:
                assert name in asked, f"{module.__name__}.{name}"


def test_a_reviewer_votes_under_the_address_that_signed_in(roles, store):  # noqa: ARG001
    with visiting(MAIL["reviewer"]):
        assert client.review.reviewer_here() == MAIL["reviewer"]
        assert client.review.every() == []


def test_a_role_given_on_the_screen_counts_at_once_and_never_over_the_owners_file(roles, store):
    name = "new@lab.example"
    assert person_named(store, name).role is None
    with visiting(MAIL["admin"]):
        client.access.give_role("New@Lab.example", "viewer")
        with pytest.raises(ConfigError, match="the owner's file"):
            client.access.give_role(MAIL["admin"], None)
    with visiting(name):
        assert client.access.may("look")
        with pytest.raises(AccessError, match=r"new@lab.example is a viewer, and to give a person"):
            client.access.give_role(name, "admin")
    roles.write_text('default = "reviewer"\n[roles]\n"*@lab.example" = "analyst"\n')
    assert person_named(store, "other@lab.example").role == "analyst"
    assert person_named(store, "other@elsewhere.example").role == "reviewer"
    assert person_named(store, name).role == "viewer"
    roles.write_text('[roles]\n"a@b.example" = "emperor"\n')
    with visiting(name), pytest.raises(ConfigError, match=r"roles.a@b.example"):
        client.store.store()


def test_limits_are_counted_per_person_and_refuse_with_a_sentence(roles, store):
    roles.write_text(
        f"{roles.read_text()}\n[limits.analyst]\nruns = 2\nupload_mb = 0.5\n"
        f'[limits."{MAIL["admin"]}"]\nruns = 0\n'
    )
    config = client.runs.demo_config()
    with visiting(MAIL["analyst"]):
        first = client.runs.launch(config)
        client.runs.launch(config)
        with pytest.raises(LimitError, match="2 runs queued or going on at a time; there are 2"):
            client.runs.launch(config)
        client.runs.stop(first.id, "")
        client.runs.launch(config)
        with pytest.raises(LimitError, match=r"holds 0.6 MB, and an@lab.example may bring 0.5 MB"):
            client.data.upload("pairs.jsonl", b"x" * 600_000)
    with visiting(MAIL["admin"]), pytest.raises(LimitError, match="may have 0 runs"):
        client.runs.launch(config)
    assert isinstance(config, RunConfig)
    written = [(row.who, row.action, row.outcome) for row in reversed(store.audit.all())]
    an, ad = MAIL["analyst"], MAIL["admin"]
    assert written == [
        (an, "launch", "done"),
        (an, "launch", "done"),
        (an, "launch", "refused"),
        (an, "stop", "done"),
        (an, "launch", "done"),
        (an, "upload", "refused"),
        (ad, "launch", "refused"),
    ]


def test_two_tabs_cannot_pass_a_limit_together(roles, store):
    roles.write_text(f"{roles.read_text()}\n[limits.analyst]\nruns = 1\n")
    together, config = threading.Barrier(4), client.runs.demo_config()

    def tab():
        with visiting(MAIL["analyst"]):
            together.wait()
            let_through(client.runs.launch, config)

    tabs = [threading.Thread(target=tab) for _ in range(4)]
    for one in tabs:
        one.start()
    for one in tabs:
        one.join()
    assert len(store.runs.all(statuses=("queued",))) == 1


def test_where_nobody_signs_in_whoever_is_here_may_do_everything(store):
    with visiting(""):
        run = client.runs.launch(client.runs.demo_config())
        client.runs.stop(run.id, "somebody")
    assert [(row.who, row.action, row.what) for row in store.audit.all()] == [
        ("", "stop", run.id),
        ("", "launch", run.id),
    ]
