"""What an alarm is, and what it says.

An alarm is evidence to look at, not a verdict. It carries a name, the numbers that set it off, the
answers that show it, and what a person may choose. Its sentences are made from the catalogue when
they are shown, so one stored alarm reads in either language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from drpo.i18n import Language, t

Part = Literal["title", "what", "why", "try"]
PARTS: tuple[Part, ...] = ("title", "what", "why", "try")

ALARMS = (
    "kl_budget",
    "kl_runaway",
    "reward_hacking",
    "people_disagree",
    "length_drift",
    "repetition",
    "entropy_collapse",
    "identical_answers",
    "unfinished",
    "clip_fraction",
    "value_error",
    "weak_reward_model",
    "few_reset_answers",
)
"""Every alarm there is, in the order in which a screen lists them."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing a person may do about an alarm."""

    kind: Literal["ignore", "pause", "setting"]
    setting: str = ""
    """`kl_coef` or `reset_prob` when the choice is to change a setting."""
    value: float | None = None
    """The setting's suggested value; a person may give another."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Which answer shows it: enough to find the sample in the store."""

    step: int
    kind: str
    item: int
    start: str
    number: int | None = None
    """Which of the step's answers of this kind, item and start, in the order of writing, from 0:
    one update may draw the same item several times. Earlier versions did not say."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm as it stands: raised at `first_step`, seen again until `last_step`."""

    name: str
    first_step: int
    last_step: int
    count: int
    """How often it was seen while it stayed open; repeated ones fold into one."""
    values: dict[str, float]
    """The numbers that set it off the last time."""
    evidence: tuple[Evidence, ...] = ()
    choices: tuple[Choice, ...] = field(default=(Choice("ignore"), Choice("pause")))

    def to_payload(self) -> dict[str, Any]:
        """The alarm as JSON, as an event keeps it."""
        return asdict(self)

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Alarm:
        """Read what `to_payload` wrote; what others added to the payload is left alone."""
        return cls(
            name=payload["name"],
            first_step=payload["first_step"],
            last_step=payload["last_step"],
            count=payload["count"],
            values=dict(payload["values"]),
            evidence=tuple(Evidence(**one) for one in payload["evidence"]),
            choices=tuple(Choice(**one) for one in payload["choices"]),
        )

    def describe(self, part: Part, lang: Language | None = None) -> str:
        """One sentence or two about this alarm, with its numbers filled in.

        Args:
            part: Which of its texts.
            lang: Another language than the one spoken now.
        """
        shown = {key: _number(key, value) for key, value in self.values.items()}
        return t(f"alarms.{self.name}_{part}", lang=lang, **shown)

    @property
    def message(self) -> str:
        """The English sentence that stands in the log, the event and the webhook."""
        return f"{self.describe('title', 'en')}: {self.describe('what', 'en')}"


def _number(name: str, value: float) -> str:
    """A number as an alarm says it; one whose name ends in `_share` as per cent."""
    if name.endswith("_share"):
        return f"{100 * value:.0f} %"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
