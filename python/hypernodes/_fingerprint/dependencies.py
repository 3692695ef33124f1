# SPDX-License-Identifier: MIT
"""What a callable's code reads from elsewhere, digested again only when it has changed."""

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


class Dependencies:
    """The digest of what a callable's or class's code reads from elsewhere, kept up to date.

    Threads: safe under the GIL; the same answer may be worked out twice.
    """

    __slots__ = ("_code", "_snapshot", "digest", "refusal")

    def __init__(self, code: object) -> None:
        """Looks at nothing yet; nothing is read as long as `update` is not called.

        Args:
            code: A callable or a class, or several in a tuple.
        """
        self._code = code
        self._snapshot: Snapshot | None = None
        self.digest: bytes | None = None
        """Of the last `update`; None if nothing is read, or something in it has no digest."""
        self.refusal = ""
        """Why something has no digest, in words for a warning."""

    def hold(self) -> bool:
        """Whether everything is as it was at the last `update`. Cost: some 40 ns for each name."""
        try:
            return self._snapshot is not None and self._snapshot.holds()
        except NoIdentityError:
            return False

    def update(self) -> bool:
        """Digests again; says whether the digest, or the reason for having none, has changed."""
        before = self.digest, self.refusal
        snapshot = new_snapshot()
        try:
            found = named_digests(self._code, snapshot)
        except NoIdentityError as error:
            self._snapshot, self.digest, self.refusal = None, None, str(error)
        else:
            self._snapshot = snapshot
            self.digest, self.refusal = digest_of(found) if found else None, ""
        return (self.digest, self.refusal) != before
