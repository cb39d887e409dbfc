"""Settings to widgets: every field's kind, range, unit and help come from its declaration."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from typing import Any, Literal

import streamlit as st
from pydantic.fields import FieldInfo

from drpo.dashboard.client.config import leaves
from drpo.dashboard.client.runs import installed
from drpo.dashboard.state.relabel import relabel
from drpo.i18n import entry, has, language, t
from drpo.i18n.format import number

LOG_STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
LOG_LOWEST, LOG_HIGHEST = 1e-3, 10.0


def label(leaf: str) -> str:
    """A setting's name on the form, with its unit."""
    unit = unit_of(leaf)
    name = t(f"settings.{leaf}")
    return (
        t("units.with_unit", name=name, unit=unit)
        if unit and unit.lower() not in name.lower()
        else name
    )


def help_of(leaf: str) -> str:
    """A setting's sentence of help, and the name it has on the command line."""
    _, field = leaves()[leaf]
    text = field.description or ""
    if language() == "ja" and has(f"settings.{leaf}"):
        text = entry(f"settings.{leaf}")["help_ja"]
    return f"{text}  \n`{leaf}`"


def unit_of(leaf: str) -> str:
    """The unit in the visitor's language; empty for words and plain ratios."""
    unit = _extra(leaves()[leaf][1], "unit")
    return t(f"units.{unit.replace(' ', '_')}") if unit else ""


def slider(leaf: str, value: float, *, key: str, lowest: float | None = None) -> float:
    """A slider for a number: logarithmic where its declaration says so, else over its range.

    Args:
        leaf: The setting.
        value: Where the slider stands first.
        key: The widget's key.
        lowest: Where a slider over a range begins, if not where the setting's own range does.
    """
    _, field = leaves()[leaf]
    # What stands in the session goes before a first value, and giving both is logged as a mistake.
    first = None if key in st.session_state else float(value)
    if _extra(field, "log"):
        options = log_options(value, with_zero=(bounds(field)[0] == 0))
        shown = st.select_slider(
            label(leaf), options, value=first, format_func=number, key=key, help=help_of(leaf)
        )
        return float(shown)
    low, high = bounds(field)
    lowest = float(low or 0) if lowest is None else lowest
    return float(
        st.slider(
            label(leaf),
            lowest,
            float(1 if high is None else high),
            first,
            step=0.05,
            key=key,
            help=help_of(leaf),
        )
    )


def log_options(value: float, *, with_zero: bool) -> list[float]:
    """The stops of a logarithmic slider; the present value is one of them."""
    stops = {0.0} if with_zero else set()
    decade = LOG_LOWEST
    while decade < LOG_HIGHEST:
        stops |= {float(f"{decade * step:.6g}") for step in LOG_STEPS}
        decade *= 10
    return sorted(stops | {LOG_HIGHEST, value})


def field(leaf: str, value: Any, *, key: str) -> Any:  # noqa: ANN401 - as the setting's own type
    """Draw the widget that fits a setting and return what it says.

    Args:
        leaf: The setting.
        value: Its value before anybody touched it.
        key: The widget's key.
    """
    _, declared = leaves()[leaf]
    kind, optional = kind_of(declared)
    # A field that is folded away keeps what was entered.
    common: dict[str, Any] = {
        "label": label(leaf),
        "key": key,
        "help": help_of(leaf),
        "persist_state": "page",
    }
    if kind is bool:
        return st.toggle(value=bool(value), **common)
    if typing.get_origin(kind) is Literal:
        return _choice(leaf, _offered(leaf, typing.get_args(kind), value), value, common)
    if typing.get_origin(kind) is tuple:
        return tuple(
            st.multiselect(
                options=list(value), default=list(value), accept_new_options=True, **common
            )
        )
    if kind in (int, float):
        return _number(declared, kind, value, common, optional=optional)
    text = st.text_input(value=value or "", **common).strip()
    return None if optional and not text else text


def _offered(leaf: str, options: Sequence[str], value: str) -> list[str]:
    """The choices that can be used here; what stands already is one of them."""
    usable = installed() if leaf == "executor" else options
    return [option for option in options if option in usable or option == value]


def kind_of(declared: FieldInfo) -> tuple[Any, bool]:
    """A setting's type without `| None`, and whether None is allowed."""
    annotation = declared.annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        inner = [arg for arg in typing.get_args(annotation) if arg is not type(None)]
        return inner[0], True
    return annotation, False


def bounds(declared: FieldInfo) -> tuple[float | None, float | None]:
    """The smallest and largest value allowed; open ends are given as they are declared."""
    low = high = None
    for rule in declared.metadata:
        low = getattr(rule, "ge", getattr(rule, "gt", None)) if low is None else low
        high = getattr(rule, "le", getattr(rule, "lt", None)) if high is None else high
    return low, high


def is_main(declared: FieldInfo) -> bool:
    """Whether the launch form shows a setting unfolded."""
    return bool(_extra(declared, "main"))


def _choice(leaf: str, options: Sequence[str], value: str, common: dict[str, Any]) -> str:
    names = {option: _option_name(leaf, option) for option in options}
    relabel(common["key"])
    return str(
        st.selectbox(
            options=list(options),
            index=list(options).index(value),
            format_func=lambda option: names[option],
            **common,
        )
    )


def _option_name(leaf: str, option: str) -> str:
    if not has(f"options.{leaf}_{option}"):
        return option
    return f"{option} – {t(f'options.{leaf}_{option}')}"


def _number(
    declared: FieldInfo, kind: type, value: float | None, common: dict[str, Any], *, optional: bool
) -> float | int | None:
    low, high = bounds(declared)
    if kind is int:
        whole = st.number_input(
            value=None if value is None else int(value),
            step=1,
            min_value=None if low is None else int(low),
            max_value=None if high is None else int(high),
            **common,
        )
        return None if whole is None and optional else int(whole or 0)
    entered = st.number_input(
        value=None if value is None else float(value),
        min_value=None if low is None else float(low),
        max_value=None if high is None else float(high),
        format="%g",
        step=_step(value, high),
        **common,
    )
    return None if entered is None else float(entered)


def _step(value: float | None, high: float | None) -> float:
    if high is not None and high <= 1:
        return 0.05
    return 0.1 if not value else float(f"{abs(value) / 10:.1g}")


def _extra(declared: FieldInfo, name: str) -> Any:  # noqa: ANN401 - unit: str, log and main: bool
    extra = declared.json_schema_extra
    return extra.get(name) if isinstance(extra, dict) else None
