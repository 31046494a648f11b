"""Exceptions, with the messages of the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._outputs import Outputs


class RemarginError(Exception):
    """Base class of all exceptions of this package. ``exit_code`` is the exit code of the command."""

    exit_code = 1


class FileError(RemarginError):
    """The operating system refused a file operation."""


class UsageError(RemarginError, ValueError):
    """The arguments are invalid, or the output folder exists already."""

    exit_code = 2


class InvalidInput(RemarginError, ValueError):
    """A table, a scenario or the rules cannot be used. Broken *rows* are not an error: they are rejects."""

    exit_code = 3

    #: What is wrong, without its location.
    problem: str = ""
    #: The file, or the table if it is in memory.
    file: str | None = None
    table: str | None = None
    column: str | None = None
    #: Counted from 1.
    row: int | None = None
    #: The wrong value.
    value: str | None = None
    #: What was expected.
    expected: str | None = None
    #: What to do.
    hint: str | None = None


class TooManyRejects(RemarginError):
    """More rows are broken than allowed. All outputs are written."""

    exit_code = 4

    def __init__(self, message: str, outputs: Outputs | None = None) -> None:
        super().__init__(message)
        #: The outputs of a stress or a comparison; they are complete.
        self.outputs = outputs


class MemoryLimitError(RemarginError, MemoryError):
    """The memory limit is too small."""

    exit_code = 6
