"""Bring a store that an earlier version made up to the present tables.

Tables only ever grow: a new version adds tables and columns and never renames one, so a store is
brought up to date by adding what it lacks, in place, when it is opened.
"""

from __future__ import annotations

from sqlalchemy import Column, MetaData, inspect, literal
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateColumn
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from drpo.errors import RunError


def add_missing(engine: Engine, metadata: MetaData) -> None:
    """Create the tables and columns that are not there yet.

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
        names = _columns(engine, table.name)
        for column in table.columns:
            if column.name not in names:
                _add(engine, table.name, column)


def _absent(engine: Engine, metadata: MetaData) -> set[str]:
    return {table.name for table in metadata.sorted_tables} - set(inspect(engine).get_table_names())


def _columns(engine: Engine, table: str) -> set[str]:
    return {column["name"] for column in inspect(engine).get_columns(table)}


def _add(engine: Engine, table: str, column: Column[object]) -> None:
    given = column.default
    default = given.arg if isinstance(given, ScalarElementColumnDefault) else None
    if default is None and not column.nullable:
        raise RunError(
            f"This store was made by another version of drpo: it lacks {table}.{column.name}, "
            "which its rows need. Set DRPO_HOME to a new folder, or move the old one away."
        )
    declared = str(CreateColumn(column).compile(dialect=engine.dialect))
    value = ""
    if default is not None:
        shown = literal(default, column.type).compile(
            dialect=engine.dialect, compile_kwargs={"literal_binds": True}
        )
        value = f" DEFAULT {shown}"
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {declared}{value}")
    except DBAPIError:
        # Another process opened the same old store at the same moment and was first.
        if column.name not in _columns(engine, table):
            raise
