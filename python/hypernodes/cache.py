# SPDX-License-Identifier: MIT
"""Where results are kept between runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from . import _core

__all__ = ["Cache", "DiskCache"]


class Cache(ABC):
    """A store of node results by signature (64 lower-case hex digits, the cache key).

    A subclass needs `get`, `put` and `has`; hypernodes makes the signatures. Several outputs of one
    node are one entry, a tuple. An exception that a method raises counts as a miss.
    """

    @abstractmethod
    def get(self, signature: str) -> Any:  # noqa: ANN401 (any value)
        """Returns the value stored under `signature`, or None."""

    @abstractmethod
    def put(self, signature: str, output: Any) -> None:  # noqa: ANN401
        """Stores `output` under `signature`."""

    @abstractmethod
    def has(self, signature: str) -> bool:
        """Says whether there is a value, which may be None, under `signature`."""

    def get_many(self, signatures: Iterable[str]) -> dict[str, Any]:
        """Returns what is there of `signatures`."""
        return {signature: self.get(signature) for signature in signatures if self.has(signature)}

    def put_many(self, outputs: Mapping[str, Any]) -> None:
        """Stores each value under its signature."""
        for signature, output in outputs.items():
            self.put(signature, output)

    def stats(self) -> dict[str, Any]:
        """Returns figures about this cache; a plain one knows none."""
        return {}

    def gc(self) -> None:  # noqa: B027 (a subclass need not have it)
        """Drops what is not worth its place; a plain cache keeps everything."""


class _Outputs(tuple[Any, ...]):
    """The values of a node with several outputs, in one entry of a cache."""

    __slots__ = ()


class DiskCache(Cache):
    """Results in a directory, shared by any number of threads and processes.

    It pickles to its path and options and opens again where it lands. Other keys than signatures
    are accepted, too. A killed process loses nothing that was put; damage is a miss.

    Data is stored as data. Any other object is pickled, and its record signed with a secret key: a
    pickle that was not written by somebody who has the key is a miss, and never opened.

    >>> import tempfile
    >>> cache = DiskCache(Path(tempfile.mkdtemp()) / "results")
    >>> cache.put("answer", [1, 2.5, None])
    >>> cache.get("answer"), cache.has("question"), cache.get("question")
    ([1, 2.5, None], False, None)
    """

    def __init__(
        self,
        path: str | Path,
        *,
        pickle_key: bytes | str | None = None,
        allow_pickle: bool = True,
    ) -> None:
        """Opens `path`, which is made with its parents if it is not there.

        Args:
            path: The directory.
            pickle_key: The secret that signs pickled results, 16 bytes or more; text stands for its
                UTF-8. By default that of the environment variable HYPERNODES_PICKLE_KEY, else the
                user's own, from a file that is made when first needed. Several machines or users
                that share a cache need one in common. Whoever knows it and can write into the
                directory can run code here. It travels when this object is pickled.
            allow_pickle: False to neither write nor read pickles: results that are no data are then
                not cached.

        Raises:
            CacheError: If the directory cannot be made or opened, or the key is too short.
        """
        self._path = Path(path)
        self._pickle_key = pickle_key.encode() if isinstance(pickle_key, str) else pickle_key
        self._allow_pickle = allow_pickle
        self._opened: _core.DiskStore | None = self._open()

    def _open(self) -> _core.DiskStore:
        return _core.DiskStore(str(self._path), self._allow_pickle, self._pickle_key)

    @property
    def path(self) -> Path:
        """The directory."""
        return self._path

    @property
    def allow_pickle(self) -> bool:
        """Whether results that are no data are pickled."""
        return self._allow_pickle

    @property
    def _store(self) -> _core.DiskStore:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def get(self, signature: str) -> Any:  # noqa: ANN401
        """Returns the value stored under `signature`, or None."""
        return self._store.get(signature)

    def put(self, signature: str, output: Any) -> None:  # noqa: ANN401
        """Stores `output`, which is then visible to every process.

        Raises:
            TypeError: If `output` is no data and cannot be pickled, or may not be.
        """
        self._store.put(signature, output)

    def has(self, signature: str) -> bool:
        """Says whether there is a value under `signature`."""
        return self._store.has(signature)

    def clear(self, node: str | None = None) -> None:
        """Forgets everything, or the results of all nodes of one name."""
        if node is None:
            self._store.clear()
        else:
            _core.forget_node(self, node)

    def __len__(self) -> int:
        """The number of entries."""
        return len(self._store)

    def __bool__(self) -> bool:
        """True, also when it is empty: it is a cache."""
        return True

    def __repr__(self) -> str:
        """`DiskCache('.cache')`."""
        return f"DiskCache({str(self._path)!r})"

    def __getstate__(self) -> dict[str, Any]:
        """Path and options: a handle cannot travel. A key that was given travels, no other does."""
        return {**self.__dict__, "_path": self._path.absolute(), "_opened": None}
