"""Real sign-in at a real provider on this machine: every role at every screen, by its address."""

import json

import pytest
from signing_in import MAIL, ROLES_FILE, free_port, provider, secrets_toml
from streamlit_client import Visitor
from test_served import served

from drpo.access import POLICY, ROLES
from drpo.store import Store

SCREENS = ("", "data", "launch", "live", "resets", "sweep", "compare", "playground")
SCREENS += ("overview", "pilot", "report", "review", "access")
TITLES = {"review": "Which answer is better?", "access": "Access"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A dashboard where people sign in; its port and its store."""
    folder = tmp_path_factory.mktemp("signed")
    home, owner = folder / "home", folder / "owner"
    home.mkdir()
    owner.mkdir()
    limits = "\n[limits.analyst]\nruns = 1\nupload_mb = 0.01\n"
    (owner / "roles.toml").write_text(ROLES_FILE + limits, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, provider(owner) as url:
        patch.setenv("DRPO_ROLES", str(owner / "roles.toml"))
        patch.setenv("DRPO_SUPERVISE", "0")  # what is queued here is not trained
        patch.delenv("DRPO_DATABASE_URL", raising=False)
        port = free_port()
        (owner / "secrets.toml").write_text(secrets_toml(port, url), encoding="utf-8")
        options = ("--secrets.files", str(owner / "secrets.toml"))
        with served(home, *options, port=port) as (port, _log):
            store = Store(f"sqlite:///{home / 'drpo.sqlite'}")
            yield port, store
            store.close()


@pytest.mark.slow
def test_every_role_at_every_screen_by_its_address(place):
    port, store = place
    nobody = Visitor(port)
    for name in SCREENS:
        screen = nobody.visit(name)
        assert list(screen.buttons) == ["sign_in"], name
    assert nobody.http.get(f"{nobody.url}/media/x.csv", timeout=30).status_code == 403
    assert nobody.upload(screen.session, 10).status_code == 403

    for role in ROLES:
        visitor = Visitor(port).sign_in(MAIL[role])
        shown = {name: visitor.visit(name) for name in SCREENS}
        allowed = {
            name
            for name in SCREENS
            if role in POLICY["audit" if name == "access" else "look"]
            or (name == "review" and role in POLICY["review"])
        }
        # Home stands without a name in the addresses of the navigation.
        assert set(shown[""].listed) == allowed, role
        for name, screen in shown.items():
            assert not any("our mistake" in text for text in screen.texts)
            if name in allowed:
                assert MAIL[role] in screen.texts
                assert screen.title == TITLES.get(name, screen.title)
                assert screen.title != "" or name == ""
            else:
                # A reviewer lands at what they may see; others at Home, told that it is not there.
                home = shown["review" if role == "reviewer" else ""]
                assert screen.title == home.title, (role, name)
        media = visitor.http.get(f"{visitor.url}/media/x.csv", timeout=30)
        assert media.status_code == (404 if role in POLICY["look"] else 403)
        session = next(iter(shown.values())).session
        sent = visitor.upload(session, 10)
        assert (sent.status_code == 403) == (role not in POLICY["upload"]), sent.text
        if role == "analyst":
            refused = visitor.upload(session, 20_000)
            assert refused.status_code == 413
            assert "may bring 0.01 MB" in refused.text

    # Streamlit does not hear a button that is disabled; one that is not asks the layer below.
    runs = len(store.runs.all())
    viewer = Visitor(port).sign_in(MAIL["viewer"])
    viewer.visit("", then="demo")
    pressed = viewer.visit("pilot", then="begin_pilot")
    assert any("vi@lab.example is a viewer" in text for text in pressed.texts)
    assert len(store.runs.all()) == runs
    analyst = Visitor(port).sign_in(MAIL["analyst"])
    analyst.visit("", then="demo")
    assert len(store.runs.all()) == runs + 1
    again = analyst.visit("", then="demo")
    assert any("may have 1 run queued or going on" in text for text in again.texts)
    assert len(store.runs.all()) == runs + 1
    rows = [(row.who, row.action, row.outcome) for row in reversed(store.audit.all())]
    assert rows[-3:] == [
        (MAIL["viewer"], "launch", "refused"),
        (MAIL["analyst"], "launch", "done"),
        (MAIL["analyst"], "launch", "refused"),
    ]


@pytest.mark.slow
def test_a_cookie_that_somebody_wrote_is_no_sign_in(place):
    port, _ = place
    forger = Visitor(port)
    forger.http.cookies.set("_streamlit_user", json.dumps({"is_logged_in": True, "email": "x"}))
    assert list(forger.visit("live").buttons) == ["sign_in"]
    assert forger.http.get(f"{forger.url}/media/x.csv", timeout=30).status_code == 403
