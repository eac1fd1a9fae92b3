"""Which augmentations keep the labels true: class names say what must not be mirrored, turned over or recoloured."""

from __future__ import annotations

from collections.abc import Sequence

from handful.augment.draw import Draw
from handful.augment.geometry import rotate
from handful.augment.operation import Operation
from handful.augment.policy import Policy
from handful.augment.trivial import trivial
from handful.data.keypoints import mirrored_name

SIDES = {
    *("left", "right", "clockwise", "anticlockwise", "counterclockwise", "port", "starboard"),
    *("links", "rechts", "gauche", "droite", "izquierda", "derecha", "sinistra", "destra"),
}
HEIGHTS = {"up", "down", "top", "bottom", "upper", "lower", "upward", "downward", "oben", "unten", "haut", "bas"}
COLOURS = {
    *("red", "green", "blue", "yellow", "orange", "purple", "violet", "pink", "brown", "black", "white"),
    *("grey", "gray"),
    *("rot", "gruen", "grün", "blau", "gelb", "schwarz", "weiss", "weiß", "rouge", "vert", "bleu", "jaune", "noir"),
    *("cyan", "magenta", "golden", "silver", "ripe", "unripe", "rojo", "verde", "azul", "amarillo", "negro", "blanco"),
}
FAR_TURNED = 45.0  # degrees, from where left and right, or up and down, are no longer what they were


def safe_policy(
    policy: Policy, classes: Sequence[str], keypoint_pairs: Sequence[tuple[int, int]] | None = ()
) -> tuple[Policy, tuple[str, ...]]:
    """The policy without what would make labels wrong, and what to tell the user.

    Args:
        policy: What was asked for.
        classes: Class names; their words are looked at, in a few languages.
        keypoint_pairs: Left and right keypoints; None when there are keypoints and their pairs are not known.
    Returns:
        The policy and its notes: operations that were left out, and operations that are kept and may be unwise.
    Example:
        >>> policy, notes = safe_policy(Policy.parse("flip_h=0.5,rotate=10"), ("turn_left", "turn_right"))
        >>> print(policy, "|", *notes)
        rotate=10 | flip_h is left out: class names tell left from right (left, right)
    """
    sides, heights, colours = _sides(classes), _named(classes, HEIGHTS), _named(classes, COLOURS)
    notes = []
    for operation in policy.operations:
        kind = operation.kind
        if kind.mirrors and sides:
            why = f"class names tell left from right ({sides})"
        elif kind.overturns and heights:
            why = f"class names tell up from down ({heights})"
        elif kind.mirrors and keypoint_pairs is None:
            why = "which keypoints are left and right is not known"
        else:
            if _turns_far(operation) and (sides or heights):
                notes.append(f"{operation} turns far, and class names tell directions ({sides or heights})")
            if kind.recolours and colours:
                notes.append(f"{kind.name} changes colours, and class names are about colour ({colours})")
            continue
        policy = policy.without(kind.name)
        notes.append(f"{kind.name} is left out: {why}")
    return policy, tuple(notes)


def may_mirror(classes: Sequence[str]) -> bool:
    """Whether a mirrored picture keeps its label: not when class names tell left from right.

    Example:
        >>> may_mirror(("cat", "dog")), may_mirror(("turn_left", "turn_right"))
        (True, False)
    """
    return not _sides(classes)


def _sides(classes: Sequence[str]) -> str:
    """What tells left from right: words, or names that are each other's mirror image (`hand_l` and `hand_r`)."""
    lower = {name.lower(): name for name in classes}
    twins = [name for key, name in lower.items() if mirrored_name(key) != key and mirrored_name(key) in lower]
    return _named(classes, SIDES) or ", ".join(twins)


def _turns_far(operation: Operation[Draw]) -> bool:
    """Whether it may: `trivial` does, which has `rotate` at its widest among its choices."""
    return operation.kind is trivial or (
        operation.kind is rotate and max(abs(operation.low), abs(operation.high)) > FAR_TURNED
    )


def _named(classes: Sequence[str], words: set[str]) -> str:
    """The words of the class names that are among these, in their order."""
    found = [word for name in classes for word in _words(name) if word in words]
    return ", ".join(dict.fromkeys(found))


def _words(name: str) -> list[str]:
    """`TurnLeft`, `turn_left` and `turn left` are the words turn and left."""
    spaced = "".join(f" {c}" if c.isupper() and name[max(at - 1, 0)].islower() else c for at, c in enumerate(name))
    return "".join(c if c.isalpha() else " " for c in spaced.lower()).split()
