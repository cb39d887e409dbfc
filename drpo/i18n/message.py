"""A sentence before it is one: a key of the catalogue and the values that go into it.

This is what is stored and handed on; the sentence is made where somebody reads it, in their
language. `str` gives it in English, for logs, errors and files that hold a sentence too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drpo.i18n import Language, t


class Message:
    """A text of the catalogue with its values.

    Args:
        key: `area.name`, as for `t`.
        **values: What fills the placeholders: texts, numbers, or messages, which are said in the
            same language as the whole.
    """

    def __init__(self, key: str, **values: Any) -> None:  # noqa: ANN401 - as in `t`
        self.key = key
        self.values = values

    def __str__(self) -> str:
        return self.text("en")

    def __repr__(self) -> str:
        return f"Message({self.key!r}, {self.values!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return (self.key, self.values) == (other.key, other.values)

    def text(self, lang: Language | None = None) -> str:
        """The sentence, by default in the language that is spoken now."""
        values = {
            name: value.text(lang) if isinstance(value, Message) else value
            for name, value in self.values.items()
        }
        return t(self.key, lang=lang, **values)

    def as_dict(self) -> dict[str, Any]:
        """The message as JSON: `code` and `values`."""
        values = {
            name: value.as_dict() if isinstance(value, Message) else value
            for name, value in self.values.items()
        }
        return {"code": self.key, "values": values}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Message:
        """Read what `as_dict` wrote."""
        values = {
            name: cls.from_dict(value) if isinstance(value, Mapping) else value
            for name, value in stored["values"].items()
        }
        return cls(stored["code"], **values)


def text_of(stored: Mapping[str, Any] | None, sentence: str) -> str:
    """What a stored message says.

    Args:
        stored: What `Message.as_dict` wrote; None where an earlier version kept the sentence only.
        sentence: The sentence stored beside it, for what this version has no words for.
    """
    try:
        return Message.from_dict(stored).text() if stored else sentence
    except KeyError:
        return sentence
