"""A policy for texts: what may happen to one, in words that print, save and come back equal."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from handful.augment.operation import Operation, parsed
from handful.augment.texts.typing_noise import typos, typos_azerty, typos_qwertz
from handful.augment.texts.word_noise import blank, delete, insert, swap
from handful.augment.texts.writing_noise import case, lower, punctuation
from handful.core.errors import DataError, UsageError

KINDS = (delete, swap, insert, blank, typos, typos_qwertz, typos_azerty, case, lower, punctuation)
OPERATIONS = {kind.name: kind for kind in KINDS}
NAMED = {
    "none": "",
    "light": "delete=0.05@0.5,swap=0.05@0.5,typos=0.01@0.5",
    "standard": "delete=0.1@0.5,swap=0.1@0.5,insert=0.1@0.5,typos=0.02@0.5,punctuation=0.2@0.5",
    "typing": "typos=0.05,case=0.05@0.3,lower=0.2,punctuation=0.3@0.5",
}


@dataclass(frozen=True)
class TextPolicy:
    """What may happen to a text.

    As text it is `delete=0.1,swap=0.1,typos=0.03@0.5`: an operation, its amount (a number, or `0.05..0.2`), and after
    `@` how often. `str` writes it, `TextPolicy.parse` reads it back equal.

    Args:
        operations: Done in their order.
    Example:
        >>> policy = TextPolicy.parse("delete=0.3, lower=1")
        >>> print(policy)
        delete=0.3,lower=1.0
        >>> policy("Hello, world! It rains.", np.random.default_rng(3))
        'hello, world! rains.'
    """

    operations: tuple[Operation[str], ...] = ()

    def __call__(self, text: str, rng: np.random.Generator) -> str:
        """One augmented copy of a text."""
        if not isinstance(text, str):
            raise DataError(f"a text is {text!r}, expected a str", "policy", "leave it out, or give an empty text")
        for operation in self.operations:
            text = operation(text, rng)
        return text

    def without(self, *names: str) -> TextPolicy:
        """The same policy without some operations."""
        return replace(self, operations=tuple(each for each in self.operations if each.kind.name not in names))

    @property
    def name(self) -> str:
        """Its short name if it is a named one, else its text."""
        return next((name for name in NAMED if TextPolicy.parse(name) == self), str(self))

    def __repr__(self) -> str:
        return f"TextPolicy.parse({str(self)!r})"

    def __str__(self) -> str:
        return ",".join(map(str, self.operations)) or "none"

    @staticmethod
    def parse(text: str) -> TextPolicy:
        """A named policy, or operations as text.

        Raises:
            UsageError: when something in it is not known or out of range; names the nearest that is known.
        """
        text = text.strip()
        if not text.strip(" ,"):
            raise UsageError("the policy is empty", "policy", "write none if nothing is to happen")
        text = NAMED.get(text, text)
        return TextPolicy(tuple(parsed(part, OPERATIONS, NAMED) for part in text.split(",") if part.strip()))
