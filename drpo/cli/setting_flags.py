"""Flags made from the settings: one setting, one flag, with its range and help."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from drpo.config.command_line import ALIASES, flag
from drpo.config.reset_methods import METHODS
from drpo.config.run_config import leaves


def with_settings(
    defaults: Mapping[str, str],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a command that takes settings as `**settings`: every setting becomes a flag.

    Values stay text here and are checked by the config itself, so the command line and the form
    refuse the same things in the same words.

    Args:
        defaults: What the help says of settings for which the command has defaults of its own.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        _add_flags(command, defaults)
        return command

    return decorate


def _add_flags(command: Callable[..., None], defaults: Mapping[str, str]) -> None:
    known = {leaf: _default(field) for leaf, (_, field) in leaves().items()} | dict(defaults)
    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    taken = {parameter.name for parameter in own}
    added = [
        inspect.Parameter(
            leaf,
            inspect.Parameter.KEYWORD_ONLY,
            default=typer.Option(
                None,
                *_flags(leaf, field),
                help=_help(field, known[leaf]),
                show_default=False,
                metavar=_kind(leaf, field),
            ),
            annotation=bool | None if field.annotation is bool else str | None,
        )
        for leaf, (_, field) in leaves().items()
        if leaf not in taken
    ]
    command.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*own, *added]
    )
    command.__annotations__ |= {parameter.name: parameter.annotation for parameter in added}


def given(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings a person gave, ready for `RunConfig.of`."""
    known = leaves()
    values: dict[str, Any] = {}
    for leaf, text in settings.items():
        if text is None:
            continue
        optional = type(None) in get_args(known[leaf][1].annotation)
        if text == "none" and optional:
            values[leaf] = None
        elif get_origin(known[leaf][1].annotation) is tuple:
            values[leaf] = tuple(part.strip() for part in text.split(",") if part.strip())
        else:
            values[leaf] = text
    return values


def _flags(leaf: str, field: FieldInfo) -> list[str]:
    names = [*ALIASES.get(leaf, ()), flag(leaf)]
    if field.annotation is bool:
        return [f"{flag(leaf)}/{flag(leaf).replace('--', '--no-', 1)}"]
    return names


def _kind(leaf: str, field: FieldInfo) -> str | None:
    if field.annotation is bool:
        return None
    options = [
        word
        for part in (field.annotation, *get_args(field.annotation))
        if get_origin(part) is Literal
        for word in get_args(part)
    ]
    if options:
        named = [name for name in METHODS if name not in options] if leaf == "method" else []
        return "|".join(map(str, [*options, *named]))
    extra = field.json_schema_extra
    unit = extra.get("unit") if isinstance(extra, dict) else ""
    return str(unit).upper() if unit else "VALUE"


def _default(field: FieldInfo) -> str:
    return "required" if field.is_required() else f"default {written(field.default)}"


def written(value: Any) -> str:  # noqa: ANN401 - any setting's value
    """A setting's value as the flags take it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if value is None or value == ():
        return "none"
    return ",".join(value) if isinstance(value, tuple) else str(value) or "empty"


def _help(field: FieldInfo, default: str) -> str:
    bounds = [
        f"{word} {value:g}"
        for meta in field.metadata
        for name, word in (("ge", "from"), ("gt", "above"), ("le", "to"), ("lt", "below"))
        if (value := getattr(meta, name, None)) is not None
    ]
    return f"{field.description} [{', '.join([*bounds, default])}]"
