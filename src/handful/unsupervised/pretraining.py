"""Pre-training a backbone on unlabelled images: which ways there are, from which networks."""

from __future__ import annotations

from handful.core.errors import UsageError
from handful.nn import embedded, small_network

SMALL, EMBEDDED = "small", embedded.NAME
SIZES = {SMALL: tuple(small_network.SIZES), EMBEDDED: embedded.SIZES}  # from which networks, and what they may be shown
USUAL_SIZE = {SMALL: 32, EMBEDDED: 128}
CONTRASTING = ("simclr", "vicreg")  # two views of a picture
RESTORING = ("autoencoder", "masked")  # a picture from what is left of it
OF_TEXTS = "masked-language"
METHODS = (*CONTRASTING, *RESTORING)


def check_choice(method: str, start: str, size: int) -> None:
    """Refuse what cannot be trained.

    Raises:
        UsageError: when method, network or size is not known, or they do not go together.
    """
    if method == OF_TEXTS:
        raise UsageError(f"{method} is for texts, these are images", "method", f"use {', '.join(METHODS)}")
    if method not in METHODS:
        raise UsageError(f"there is no method {method!r}", "method", f"use {', '.join(METHODS)}")
    if start not in SIZES:
        raise UsageError(f"there is no network {start!r} to start from", "from", f"use {' or '.join(SIZES)}")
    if size not in SIZES[start]:
        some = ", ".join(map(str, SIZES[start]))
        raise UsageError(f"the network {start} takes no pictures of {size} pixels", "size", f"use one of {some}")
    if method in RESTORING and start != SMALL:
        what = f"{method} needs the maps of the network {SMALL}, {start} has no decoder for them"
        raise UsageError(what, "method", f"use --from {SMALL}, or --method {' or '.join(CONTRASTING)}")
