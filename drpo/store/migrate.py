"""Bring a store that an earlier version made up to the present tables.

Tables only ever grow: a new version adds tables and columns, widens some, and never renames one, so
a store is brought up to date by adding what it lacks, in place, when it is opened.
"""

from __future__ import annotations

import json
from typing import Any, cast

from sqlalchemy import BigInteger, Column, MetaData, Text, inspect, literal, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.schema import CreateColumn
from sqlalchemy.sql.schema import CallableColumnDefault, ScalarElementColumnDefault

from drpo.errors import RunError
from drpo.store.schema import VERSION, Document

KIND, KEY = "store", "schema"
"""The document that says which version of the tables a store has."""


def bring_up_to_date(engine: Engine, metadata: MetaData) -> None:
    """Add what a store of an earlier version lacks, and note the version.

    Raises:
        RunError: A newer version of drpo made it, or a column has no default for old rows.
    """
    noted = refuse_newer(engine)
    add_missing(engine, metadata)
    if noted == VERSION:
        return
    table = metadata.tables[Document.__tablename__]
    mine = (table.c.kind == KIND) & (table.c.key == KEY)
    body = {"version": VERSION}
    try:
        with engine.begin() as connection:
            done = connection.execute(table.update().where(mine).values(body=body))
            if done.rowcount == 0:
                connection.execute(table.insert().values(kind=KIND, key=KEY, body=body))
    except IntegrityError:
        pass  # another process that opened it at the same moment noted the same


def refuse_newer(engine: Engine) -> int:
    """Return the version of a store's tables, 1 where it says none.

    Raises:
        RunError: It is of a newer version than this one knows.
    """
    if not inspect(engine).has_table(Document.__tablename__):
        return 1
    query = select(Document.body).where(Document.kind == KIND, Document.key == KEY)
    with engine.connect() as connection:
        body = connection.scalar(query)
    version = int((body or {}).get("version", 1))
    if version > VERSION:
        raise RunError(
            f"This store was made by a newer version of drpo (its tables are of version {version}, "
            f"this one knows {VERSION}); update drpo, or set DRPO_HOME to another folder."
        )
    return version


def add_missing(engine: Engine, metadata: MetaData) -> None:
    """Create the tables and columns that are not there yet, and widen those that are too narrow.

    Raises:
        RunError: A missing column has no default that old rows could take.
    """
    absent = _absent(engine, metadata)
    while absent:
        try:
            metadata.create_all(engine)
        except DBAPIError:
            # Another process that opened the same store at the same moment was first with a
            # table. How a database says so differs; that fewer tables are absent now does not.
            left = _absent(engine, metadata)
            if left == absent:
                raise
            absent = left
        else:
            break
    for table in metadata.sorted_tables:
        held = _columns(engine, table.name)
        for column in table.columns:
            if column.name not in held:
                _add(engine, table.name, column)
            elif _is_narrow(engine, column, held[column.name]):
                _widen(engine, table.name, column.name)


def _absent(engine: Engine, metadata: MetaData) -> set[str]:
    return {table.name for table in metadata.sorted_tables} - set(inspect(engine).get_table_names())


def _columns(engine: Engine, table: str) -> dict[str, object]:
    return {column["name"]: column["type"] for column in inspect(engine).get_columns(table)}


def _is_narrow(engine: Engine, column: Column[object], held: object) -> bool:
    wide = isinstance(column.type.dialect_impl(engine.dialect), BigInteger)
    return wide and not isinstance(held, BigInteger)


def _widen(engine: Engine, table: str, column: str) -> None:
    """Make room for more than 2,147,483,647 rows (PostgreSQL); it writes the table anew once."""
    sequence = text("select pg_get_serial_sequence(:table, :column)")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE bigint")
        counts = connection.scalar(sequence, {"table": table, "column": column})
        if counts is not None:
            connection.exec_driver_sql(f"ALTER SEQUENCE {counts} AS bigint")


def _for_old_rows(given: object) -> object:
    """What rows that are there already get: the default itself, or what it would make now."""
    if isinstance(given, ScalarElementColumnDefault):
        return given.arg
    # SQLAlchemy wraps what takes no argument; what takes one is none of ours.
    return given.arg(cast("Any", None)) if isinstance(given, CallableColumnDefault) else None


def _add(engine: Engine, table: str, column: Column[object]) -> None:
    given = column.default
    default = _for_old_rows(given)
    if default is None and not column.nullable:
        raise RunError(
            f"This store was made by another version of drpo: it lacks {table}.{column.name}, "
            "which its rows need. Set DRPO_HOME to a new folder, or move the old one away."
        )
    declared = str(CreateColumn(column).compile(dialect=engine.dialect))
    value = ""
    if default is not None:
        of_json = isinstance(default, dict | list)  # SQLAlchemy writes no literal of JSON
        bound = literal(json.dumps(default), Text()) if of_json else literal(default, column.type)
        shown = bound.compile(dialect=engine.dialect, compile_kwargs={"literal_binds": True})
        value = f" DEFAULT {shown}"
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {declared}{value}")
    except DBAPIError:
        # Another process opened the same old store at the same moment and was first.
        if column.name not in _columns(engine, table):
            raise
