"""A PostgreSQL server of the tests' own, from the programs that are on the PATH."""

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

INITDB = shutil.which("initdb")
SERVER_USER = "postgres" if os.getuid() == 0 else None
"""PostgreSQL refuses to run as root."""


@contextmanager
def serving(options="-c fsync=off"):
    """A server with nothing in it; lends a database URL without a database, and its folder."""
    folder = Path(tempfile.mkdtemp(prefix="drpo-postgres-"))
    if SERVER_USER:
        shutil.chown(folder, SERVER_USER)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    control = Path(INITDB).resolve().with_name("pg_ctl")

    def command(*words):
        subprocess.run(
            list(map(str, words)),
            check=True,
            cwd=folder,
            user=SERVER_USER,
            stdout=subprocess.DEVNULL,
        )

    data = folder / "data"
    command(INITDB, "-D", data, "-A", "trust", "-U", "drpo", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses= {options}"
    command(control, "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
    try:
        yield f"postgresql+psycopg://drpo@/{{name}}?host={folder}&port={port}", data
    finally:
        command(control, "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def server():
    """A server of the module's own; see `serving`."""
    if INITDB is None:
        pytest.skip("needs PostgreSQL's initdb on the PATH")
    with serving() as (url, _):
        yield url


def database(server: str, name: str) -> str:
    """Make a database in the server; returns its URL."""
    name = f"test_{abs(hash(name)):x}"
    engine = create_engine(server.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"create database {name}"))
    engine.dispose()
    return server.format(name=name)
