"""The folder of the answers: each is there whole or not at all, and is fetched once.

Behind each answer a note in the hidden folder ``.capture`` says what was asked, when, and the hash of the answer. The
note is written first. An answer without a note of its own hash, or of another request, does not count, and is fetched
again. The importer passes hidden files over.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import FileError, UsageError

try:
    import fcntl
except ImportError:  # Not on Windows, where two captures of one folder are not told apart.
    fcntl = None  # type: ignore[assignment]

NOTES = ".capture"


class Store:
    """The answers of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._notes = folder / NOTES

    @contextmanager
    def open(self, max_age_s: float) -> Iterator[None]:
        """Holds the folder. Makes it if it is not there.

        Raises ``UsageError`` if the folder has other files, if another capture writes to it, or if an answer in it is
        older than ``max_age_s``: positions and prices of different times would give a wrong margin.
        """
        with self._told():
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self._notes.is_dir() and any(self.folder.iterdir()):
                raise UsageError(f"`{self.folder}` has other files in it: a capture needs a folder of its own")
            self._notes.mkdir(exist_ok=True)
            lock = (self._notes / "lock").open("a")
        with lock:
            if fcntl is not None:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    raise UsageError(f"another capture writes to `{self.folder}`") from None
            age_s = self._age_s()
            if age_s > max_age_s:
                raise UsageError(
                    f"an answer in `{self.folder}` is {age_s / 60:.0f} minutes old: with those of now the margin would "
                    f"be of no time at all. Use a new folder, or --max-age {age_s // 60 + 1:.0f}"
                )
            yield

    def get(self, file: str, request: str) -> bytes | None:
        """The answer of a request, if it is there and whole."""
        note = self._note(self._notes / file)
        if note is None or note.get("request") != request:
            return None
        try:
            content = (self.folder / file).read_bytes()
        except OSError:
            return None
        return content if note.get("sha256") == hashlib.sha256(content).hexdigest() else None

    def put(self, file: str, request: str, content: bytes) -> None:
        """Saves an answer under its name, in one step."""
        note = {"request": request, "sha256": hashlib.sha256(content).hexdigest(), "time_ms": int(time.time() * 1000)}
        with self._told():
            _write(self._notes / file, json.dumps(note).encode())
            _write(self.folder / file, content)

    def has(self, file: str) -> bool:
        """True if there is an answer, whole or not."""
        return (self.folder / file).exists()

    def remove(self, file: str) -> None:
        """Removes an answer. What it answered is asked again."""
        with self._told():
            (self.folder / file).unlink(missing_ok=True)
            (self._notes / file).unlink(missing_ok=True)

    def _age_s(self) -> float:
        """The age of the oldest answer."""
        found = (path for path in self._notes.rglob("*.json") if self.has(str(path.relative_to(self._notes))))
        times = [note["time_ms"] for note in map(self._note, found) if note is not None and "time_ms" in note]
        return time.time() - min(times) / 1000 if times else 0.0

    @staticmethod
    def _note(path: Path) -> dict[str, Any] | None:
        try:
            note = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return None
        return note if isinstance(note, dict) else None

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FileError(f"cannot write to `{self.folder}`: {error.strerror or type(error).__name__}") from error


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    os.replace(part, path)
