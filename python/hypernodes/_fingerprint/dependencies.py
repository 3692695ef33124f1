# SPDX-License-Identifier: MIT
"""What a callable's code reads from elsewhere."""

from __future__ import annotations

from . import reach, values
from .digest import NoIdentityError, mix, text
from .snapshot import Snapshot


def named_digests(code: object, snapshot: Snapshot) -> dict[str, str]:
    """Returns {dotted name: 64 hex digits} for everything that code reads from elsewhere.

    Raises:
        NoIdentityError: If something in it has no digest.
    """
    found: dict[str, set[bytes]] = {}
    for read in reach.dependencies(code, snapshot):
        found.setdefault(read.name, set()).add(read.digest)
    return {name: mix("any", *sorted(digests)).hex() for name, digests in sorted(found.items())}


def digest_of(found: dict[str, str]) -> bytes:
    """Returns one digest for all of `named_digests`."""
    parts = [text(part) for item in found.items() for part in item]
    return mix("dependencies", *parts)


def new_snapshot() -> Snapshot:
    """Returns an empty snapshot that digests mutable values as dependencies do."""
    return Snapshot(_digest)


def _digest(value: object) -> bytes:
    return values.Digester()(value)


class Reading:
    """What a callable's or class's code reads from elsewhere, as it was once. Immutable.

    Attributes:
        digest: Of all of it; None if nothing is read, or something in it has no digest.
        refusal: Why something has no digest, in words for a warning.
    """

    __slots__ = ("_snapshot", "digest", "refusal")

    def __init__(self, digest: bytes | None, refusal: str, snapshot: Snapshot | None) -> None:
        """Use `of`."""
        self.digest = digest
        self.refusal = refusal
        self._snapshot = snapshot

    @classmethod
    def of(cls, code: object) -> Reading:
        """Reads what a callable or a class, or several in a tuple, read by now."""
        snapshot = new_snapshot()
        try:
            found = named_digests(code, snapshot)
        except NoIdentityError as error:
            return cls(None, str(error), None)
        return cls(digest_of(found) if found else None, "", snapshot)

    def holds(self) -> bool:
        """Whether everything is as it was; False if something has no digest.

        Cost: some 40 ns for each name.
        """
        try:
            return self._snapshot is not None and self._snapshot.holds()
        except NoIdentityError:
            return False


UNREAD = Reading(None, "", None)
"""Of code that nobody has looked at."""
