"""Bring a store that an earlier version made up to the present tables.

Tables only ever grow: a new version adds tables and columns and never renames one, so a store is
brought up to date by adding what it lacks, in place, when it is opened.
"""

from __future__ import annotations

from sqlalchemy import Column, MetaData, inspect, literal
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import CreateColumn
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from drpo.errors import RunError


def add_missing(engine: Engine, metadata: MetaData) -> None:
    """Create the tables and columns that are not there yet.

    Raises:
        RunError: A missing column has no default that old rows could take.
    """
    metadata.create_all(engine)
    present = inspect(engine)
    for table in metadata.sorted_tables:
        names = {column["name"] for column in present.get_columns(table.name)}
        for column in table.columns:
            if column.name not in names:
                _add(engine, table.name, column)


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
    except OperationalError as error:
        # Another process opened the same old store at the same moment and was first.
        if "duplicate column" not in str(error).lower():
            raise
