"""What can go wrong, as exceptions with the messages of the command."""

from __future__ import annotations


class RemarginError(Exception):
    """Something failed; the base of all exceptions of this package. ``exit_code`` is that of the command."""

    exit_code = 1


class FileError(RemarginError):
    """The operating system refused a file operation."""


class UsageError(RemarginError, ValueError):
    """The call contradicts itself, or its output folder exists already."""

    exit_code = 2


class InvalidInput(RemarginError, ValueError):
    """A table, a scenario or the rules cannot be used. Broken *rows* are no error: they are rejects."""

    exit_code = 3

    #: What is wrong, without its place.
    problem: str = ""
    #: Where: the file, or the table if it is in memory.
    file: str | None = None
    table: str | None = None
    column: str | None = None
    #: Counted from 1.
    row: int | None = None
    #: The value as it stands there.
    value: str | None = None
    #: What would have been right.
    expected: str | None = None
    #: What to do about it.
    hint: str | None = None


class TooManyRejects(RemarginError):
    """More rows are broken than allowed; everything is written all the same."""

    exit_code = 4


class MemoryLimitError(RemarginError, MemoryError):
    """The memory limit does not suffice."""

    exit_code = 6
