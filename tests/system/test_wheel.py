"""An installed wheel is the whole tool, without the repository: command, screens, samples."""

import json
import os
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VISIT = """
from pathlib import Path
from streamlit.testing.v1 import AppTest
import drpo
from drpo.dashboard import navigation
from drpo.runs import demo

screen = AppTest.from_file(Path(drpo.__file__).parent / "dashboard" / "main.py", default_timeout=60)
screen.run()
screen.switch_page(str(navigation.path("launch"))).run()
assert not screen.exception, screen.exception
places = [drpo.__file__, navigation.path("launch"), demo.SAMPLES]
print(screen.title[0].value, *places, sep="\\n")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An empty folder in which the commands are given."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def venv(tmp_path_factory):
    """An environment that holds the wheel, and beside it the libraries that are here already."""
    place = tmp_path_factory.mktemp("wheel")
    carry_out(
        *[sys.executable, "-m", "hatchling", "build", "--target", "wheel"],
        *["--directory", place],
        cwd=ROOT,
    )
    (wheel,) = place.glob("drpo-*.whl")
    made = place / "venv"
    carry_out(sys.executable, "-m", "venv", "--without-pip", made, cwd=place)
    pip = [sys.executable, "-m", "pip", "--python", made / "bin" / "python", "install"]
    carry_out(*pip, "--no-deps", "--no-index", "--quiet", wheel, cwd=place)
    # Found through this file, their folder is a path and no more: an editable drpo in it, which
    # is made of such files itself, stays out. Written last, or pip would take that one for its own.
    (packages,) = (made / "lib").glob("python*/site-packages")
    paths = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
    (packages / "libraries.pth").write_text("\n".join(sorted(paths)))
    return made


def outside() -> dict[str, str]:
    """The environment of a person who has never seen the repository."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DRPO_")}
    kept.pop("PYTHONPATH", None)
    return kept | {"LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def carry_out(*words, cwd):
    """Run a command to its end; its standard output."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=outside(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_installed_command_says_the_version_of_the_wheel(venv, folder):
    (wheel,) = venv.parent.glob("drpo-*.whl")
    said = carry_out(venv / "bin" / "drpo", "--version", cwd=folder)
    assert said.split() == ["drpo", wheel.name.split("-")[1]]


@pytest.mark.slow
def test_the_installed_demo_trains_on_the_sample_material(venv, folder):
    (bundled,) = venv.glob("lib/python*/site-packages/drpo/_bundled")
    before = sorted(bundled.rglob("*"))
    sizes = ["--updates", "1", "--episodes-per-update", "16"]
    sizes += ["--eval-prompts", "16", "--sample-prompts", "16"]
    run = json.loads(carry_out(venv / "bin" / "drpo", "demo", *sizes, "--json", cwd=folder))
    assert (run["status"], run["updates"]) == ("finished", 1)
    assert (folder / "workspace" / "runs" / run["run"]).is_dir()
    # An installation may be read-only.
    assert sorted(bundled.rglob("*")) == before


@pytest.mark.slow
def test_the_installed_screens_and_samples_are_those_of_the_wheel(venv, folder):
    said = carry_out(venv / "bin" / "python", "-c", VISIT, cwd=folder)
    title, *places = said.splitlines()[-4:]
    assert title == "Launch"
    assert [place for place in places if not Path(place).is_relative_to(venv)] == []


@pytest.mark.slow
def test_the_installed_app_serves_on_this_machine_only(venv, folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "app.log"
    with log.open("w") as output:
        app = subprocess.Popen(
            [str(venv / "bin" / "drpo"), "app", "--port", str(port)],
            cwd=folder,
            env=outside(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        headers = first_answer(f"http://127.0.0.1:{port}/_stcore/health", app, log)
    finally:
        app.terminate()
        app.wait(timeout=60)
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    # As .streamlit/config.toml wants it; Streamlit by itself would listen to everyone.
    assert f"http://127.0.0.1:{port}" in log.read_text()
    with socket.socket() as freed:
        # `drpo app` is the server, not its parent: what ends the one ends the other.
        freed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        freed.bind(("127.0.0.1", port))


def first_answer(url, process, log, seconds=120):
    """The headers of a server's first answer."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                return response.headers
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"no answer from {url}: {log.read_text()}")
