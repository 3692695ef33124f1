# SPDX-License-Identifier: MIT
"""The digest of input values that the core has no encoding for."""

from __future__ import annotations

import types

from .dependencies import UNREAD, Reading
from .digest import NoIdentityError, mix, text
from .values import Digester


class InputDigester(Digester):
    """Digests values; functions and classes of the user's count with all that they read."""

    def known_class(self, cls: type) -> bytes | None:
        """Returns what user_class would, of a class that has not changed."""
        known = super().known_class(cls)
        return None if known is None else mix("reaching", known, _reached(cls))

    def user_class(self, cls: type) -> bytes:
        """Returns the digest of a user's class and of what its methods read from elsewhere."""
        return mix("reaching", super().user_class(cls), _reached(cls))

    def user_function(self, function: types.FunctionType) -> bytes:
        """Returns the digest of a user's function, its name, and what it reads from elsewhere."""
        name = text(function.__name__)
        shown = {key: item for key, item in vars(function).items() if not key.startswith("_")}
        parts = super().user_function(function), self.mapping("attributes", shown)
        return mix("reaching", name, *parts, _reached(function))

    def runtime(self, value: object) -> bytes:
        """Returns the digest of a lock in an object; one that is an input itself has none."""
        if len(self._open) == 1:
            raise NoIdentityError(f"an object of class {type(value).__qualname__}")
        return super().runtime(value)


_MOST = 1024
# By id: a class or function, which is kept alive so that no other has its id, and what it reads.
_known: dict[int, tuple[object, Reading]] = {}


def _reached(code: object) -> bytes:
    _, reading = _known.get(id(code), (None, UNREAD))
    if not reading.holds():
        reading = Reading.of(code)
        if len(_known) >= _MOST:
            _known.clear()
        _known[id(code)] = code, reading
    if reading.refusal:
        raise NoIdentityError(reading.refusal)
    return reading.digest or b""
