"""How a setting is declared: its type, range, unit, default and a sentence of help, once."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def setting(
    default: Any,  # noqa: ANN401 - pydantic checks the default against the field's own type
    help_text: str,
    *,
    unit: str = "",
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    log: bool = False,
    main: bool = False,
) -> Any:  # noqa: ANN401
    """Declare one setting.

    Args:
        default: The value when nobody says otherwise; `...` makes the setting required.
        help_text: One plain sentence for the form and for `--help`.
        unit: What the number counts, as shown beside it; empty for words and plain ratios.
        ge: Smallest value allowed.
        gt: Values must be above this.
        le: Largest value allowed.
        lt: Values must be below this.
        log: A slider for it moves on a logarithmic scale.
        main: Shown unfolded on the launch form.
    """
    extra: dict[str, Any] = {"unit": unit, "log": log, "main": main}
    return Field(
        default, description=help_text, json_schema_extra=extra, ge=ge, gt=gt, le=le, lt=lt
    )


class Group(BaseModel):
    """A frozen group of settings; an unknown name is an error, not a silent typo."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
