"""What can happen to an example: a function that does one thing to it, how strongly, and how often.

    @operation("rotate", usual=15, reach=both_ways, limits=(-180, 180), unit=" degrees", widest=135)
    def rotate(so_far: Draw, degrees: float, rng: np.random.Generator) -> Draw:
        ...

makes `rotate` a `Kind`; `rotate(15)` is an `Operation` of it: turn by -15 to 15 degrees. Operations on images change a
draw, those on texts the text itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Real
from typing import Any, Generic, TypeVar

import numpy as np

from handful.core.errors import UsageError

Range = tuple[float, float]
State = TypeVar("State")  # what operations change: a Draw, or a text
Drawing = Callable[[State, float, np.random.Generator], State]


def both_ways(x: float) -> Range:
    """15 stands for -15 to 15."""
    return (-x, x)


def from_nothing(x: float) -> Range:
    """0.2 stands for 0 to 0.2."""
    return (0.0, x)


def exactly(x: float) -> Range:
    """0.8 stands for 0.8."""
    return (x, x)


def up_to(top: float) -> Callable[[float], Range]:
    """0.5 stands for 0.5 to `top`."""
    return lambda x: (x, top)


@dataclass(frozen=True, eq=False)
class Kind(Generic[State]):
    """A kind of operation; calling it makes one.

    Args:
        name: In policies written as text.
        draw: Does it, with a given amount.
        usual: The amount where none is given; None for what has no amount and only a probability.
        reach: The range that a single number stands for.
        limits: Of the amount.
        unit: Of the amount, for messages.
        widest: The range that TrivialAugment draws from; None leaves it out there.
        mirrors: Left may become right.
        overturns: Up may become down.
        recolours: Colours may turn into others.
    """

    name: str
    draw: Drawing[State]
    usual: float | None = None
    reach: Callable[[float], Range] = exactly
    limits: Range = (0.0, 1.0)
    unit: str = ""
    widest: Range | None = None
    mirrors: bool = False
    overturns: bool = False
    recolours: bool = False

    def __call__(self, amount: float | Range | None = None, probability: float | None = None) -> Operation[State]:
        """An operation of this kind.

        Args:
            amount: A range, or a number that stands for one; for a kind without amounts, its probability.
            probability: How often, 0 to 1; 1 when None.
        """
        if self.usual is None:
            if amount is not None and probability is not None:
                both = f"{amount!r} and {probability!r}"
                raise UsageError(f"{self.name} has no amount, only a probability; got {both}", "policy")
            share = probability if amount is None else amount
            return Operation(self, 0.0, 0.0, 1.0 if share is None else share)  # type: ignore[arg-type]
        amount = self.usual if amount is None else amount
        low, high = amount if isinstance(amount, tuple) else self.reach(amount)
        return Operation(self, float(low), float(high), 1.0 if probability is None else probability)

    def __reduce__(self) -> str:
        return self.draw.__name__  # pickled by its name in its module, as a function is


def operation(name: str, **about: Any) -> Callable[[Drawing[State]], Kind[State]]:
    """Make a function the `Kind` of operation that it does."""

    def kind(draw: Drawing[State]) -> Kind[State]:
        made = Kind(name, draw, **about)
        object.__setattr__(made, "__doc__", draw.__doc__)
        object.__setattr__(made, "__module__", draw.__module__)
        return made

    return kind


@dataclass(frozen=True)
class Operation(Generic[State]):
    """One thing that happens with a probability, and with an amount drawn evenly from a range.

    Args:
        kind: What happens.
        low, high: The range of the amount.
        probability: How often, 0 to 1.
    Raises:
        UsageError: when the amount or the probability is out of its range; it names the operation and the value.
    """

    kind: Kind[State]
    low: float
    high: float
    probability: float = 1.0

    def __post_init__(self) -> None:
        name, limits = self.kind.name, self.kind.limits
        probability: Any = self.probability
        if not (isinstance(probability, Real) and 0 <= float(probability) <= 1):
            raise UsageError(f"{name} has the probability {probability!r}, expected 0 to 1", "policy", "write 0.5, say")
        object.__setattr__(self, "probability", float(probability))  # NumPy's numbers print in another way
        if self.kind.usual is not None and not limits[0] <= self.low <= self.high <= limits[1]:
            single = ".." not in self._amount and self.low != self.high
            meant = f", which stands for {self.low:g} to {self.high:g}" if single else ""
            expected = f"expected {limits[0]:g} to {limits[1]:g}{self.kind.unit}, the lower one first"
            what = f"{name} has the amount {self._amount}{meant}, {expected}"
            raise UsageError(what, "policy", f"usual is {self.kind()}")

    def __call__(self, so_far: State, rng: np.random.Generator) -> State:
        """It with this operation done, or, as the probability has it, as it was."""
        if rng.random() >= self.probability:
            return so_far
        return self.kind.draw(so_far, rng.uniform(self.low, self.high), rng)

    def __str__(self) -> str:
        if self.kind.usual is None:
            return f"{self.kind.name}={self.probability!r}"
        often = "" if self.probability == 1 else f"@{self.probability!r}"
        return f"{self.kind.name}={self._amount}{often}"

    @property
    def _amount(self) -> str:
        """The shortest text that stands for the range."""
        for single in (self.high, self.low):
            if self.kind.reach(single) == (self.low, self.high):
                return _written(single)
        return f"{_written(self.low)}..{_written(self.high)}"


def _written(x: float) -> str:
    return f"{x:g}" if float(f"{x:g}") == x else repr(x)


def parsed(text: str, known: Mapping[str, Kind[State]], others: Iterable[str] = ()) -> Operation[State]:
    """An operation from its text, as `str` writes it.

    Args:
        text: `rotate=15`, `rotate=-10..25`, `rotate=15@0.5` or `rotate`.
        known: Kinds by name.
        others: Names that are no operations and may have been meant.
    Raises:
        UsageError: when the name is not known or a number is none; names the nearest name that is known.
    """
    before, at, often = (part.strip() for part in text.partition("@"))
    name, equals, amount = (part.strip() for part in before.partition("="))
    if name not in known:
        near = get_close_matches(name, [*known, *others], n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        raise UsageError(f"no operation is called {name!r}", "policy", hint)
    low, dots, high = (part.strip() for part in amount.partition(".."))
    kind, value = known[name], None
    if equals:
        value = (_number(low, text, kind), _number(high, text, kind)) if dots else _number(low, text, kind)
    return kind(value, _number(often, text, kind) if at else None)


def _number(written: str, text: str, kind: Kind[State]) -> float:
    try:
        number = float(written)
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        example = f"write {kind()} or {kind(probability=0.5)}"
        raise UsageError(f"{text!r} has {written!r} where a number is expected", "policy", example)
    return number
