"""Every error a user can cause: what is wrong; where; what to do. One line, one root class."""

from __future__ import annotations


class HandfulError(ValueError):
    """The root of all errors that handful raises on purpose.

    Args:
        what: What is wrong, with what was expected and what was found.
        where: The file, row, option or argument; empty when `what` already says it.
        remedy: What to do about it.
    """

    exit_code = 2  # bad usage or bad input

    def __init__(self, what: str, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, where, remedy
        super().__init__("; ".join(_one_line(part) for part in (what, where, remedy) if part))


class DataError(HandfulError):
    """Examples that cannot be read or used."""


class ImageError(DataError):
    """One image that cannot be read; its neighbours may be fine."""


class UsageError(HandfulError):
    """An option or argument that makes no sense."""


class ModelError(HandfulError):
    """A model folder that is incomplete, foreign, too new or altered."""


class MissingPackage(HandfulError, ImportError):
    """An optional library that is not installed; the message names the extra."""


class JobError(HandfulError):
    """The request was sound and the job failed all the same: a full disk, say."""

    exit_code = 1


def _one_line(text: str) -> str:
    return " ".join(text.split())
