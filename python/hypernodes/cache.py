# SPDX-License-Identifier: MIT
"""Where results are kept between runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from . import _core
from ._bounds import bytes_of, seconds_of
from .exceptions import CacheError

__all__ = ["Cache", "DiskCache", "MemoryCache"]


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
        """Returns figures by name, such as `records`, `bytes`, `hits`; by default none.

        Nothing in hypernodes depends on them. DiskCache.stats() has the names to use.
        """
        return {}

    def gc(self) -> None:  # noqa: B027 (a subclass need not have it)
        """Drops what is too old or beyond the cache's bounds; by default nothing.

        hypernodes never calls it: a cache keeps to its bounds itself.
        """


class _Outputs(tuple[Any, ...]):
    """The values of a node with several outputs, in one entry of a cache."""

    __slots__ = ()


class _NativeCache(Cache):
    """A cache whose records the core keeps: what DiskCache and MemoryCache have in common.

    `_store` is opened when it is first needed: a cache that was pickled opens where it lands.
    """

    _opened: _core.DiskStore | _core.MemoryStore | None = None

    def __init__(
        self, max_bytes: int | str | None, max_age: float | timedelta | None, allow_pickle: bool
    ) -> None:
        """Checks and keeps the options that both have."""
        self._max_bytes = bytes_of(max_bytes)
        self._max_age = seconds_of(max_age)
        self._allow_pickle = allow_pickle

    @abstractmethod
    def _open(self) -> _core.DiskStore | _core.MemoryStore:
        """Opens the store."""

    @property
    def _store(self) -> _core.DiskStore | _core.MemoryStore:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    @property
    def allow_pickle(self) -> bool:
        """Whether results that are no data are pickled."""
        return self._allow_pickle

    def get(self, signature: str) -> Any:  # noqa: ANN401
        """Returns the value stored under `signature`, or None."""
        return self._store.get(signature)

    def put(self, signature: str, output: Any) -> None:  # noqa: ANN401
        """Stores `output`, which is then visible to all who share the cache.

        Raises:
            TypeError: If `output` is no data and cannot be pickled, or may not be.
        """
        self._store.put_many({signature: output})

    def has(self, signature: str) -> bool:
        """Says whether there is a value under `signature`."""
        return self._store.has(signature)

    def get_many(self, signatures: Iterable[str]) -> dict[str, Any]:
        """Returns what is there of `signatures`, read at once."""
        return self._store.get_many(list(signatures))

    def put_many(self, outputs: Mapping[str, Any]) -> None:
        """Stores each value under its signature, all at once.

        Raises:
            TypeError: If one cannot be stored, as for put(); none is stored then.
        """
        self._store.put_many(dict(outputs))

    def clear(self, node: str | None = None) -> None:
        """Forgets everything, or the results of all nodes of one name."""
        if node is None:
            self._store.clear()
        else:
            _core.forget_node(self, node)

    def flush(self) -> None:
        """Makes what was put to a disk survive a power loss; every map does that at its end."""
        self._store.flush()

    def stats(self) -> dict[str, int | None]:
        """Returns what the cache holds, and what this process did with it since it opened it.

        Returns:
            - records, bytes: what is there, and what it takes with what finds it;
            - max_bytes: what it may take; None if there is no bound;
            - hits, misses: look-ups that found a record, and that did not;
            - stores: records put;
            - evicted: records dropped since others needed their place;
            - expired: records dropped since they were too old.
        """
        return self._store.statistics()

    def gc(self) -> None:
        """Drops now what is too old, and what was not used for longest if there is too much.

        There is no need to call it: bounds hold by themselves.
        """
        self._store.gc()

    def verify(self) -> dict[str, int]:
        """Reads every record and drops what is damaged; others may use the cache meanwhile.

        Returns:
            - records: how many were read;
            - damaged: how many were not, to the last bit, what was put, and are gone;
            - foreign: how many are pickles signed with a key that this cache does not have; they
              are misses, and stay.
        """
        return self._store.verify()

    def __len__(self) -> int:
        """The number of records."""
        return len(self._store)

    def __bool__(self) -> bool:
        """True, also when it is empty: it is a cache."""
        return True

    def __repr__(self) -> str:
        """The call that makes one like it, such as `DiskCache('.cache')`."""
        return f"{type(self).__name__}({', '.join(self._arguments())})"

    def _arguments(self) -> list[str]:
        """Those that are not the default, but for secrets, as they are written in a call."""
        given = {"max_bytes": self._max_bytes, "max_age": self._max_age}
        arguments = [f"{name}={value}" for name, value in given.items() if value]
        return arguments if self._allow_pickle else [*arguments, "allow_pickle=False"]

    def __getstate__(self) -> dict[str, Any]:
        """The options: what is open cannot travel."""
        return {**self.__dict__, "_opened": None}


class DiskCache(_NativeCache):
    """Results in a directory, shared by any number of threads and processes.

    It pickles to its path and options and opens again where it lands. Other keys than signatures
    are accepted, too. A killed process loses nothing that was put; damage is a miss.

    Data is stored as data. Any other object is pickled, and its record signed with a secret key: a
    pickle that was not written by somebody who has the key is a miss, and never opened.

    >>> import tempfile
    >>> cache = DiskCache(Path(tempfile.mkdtemp()) / "results", max_bytes="10 GB")
    >>> cache.put("answer", [1, 2.5, None])
    >>> cache.get("answer"), cache.has("question"), cache.get("question")
    ([1, 2.5, None], False, None)
    """

    def __init__(
        self,
        path: str | Path,
        max_bytes: int | str | None = None,
        max_age: float | timedelta | None = None,
        *,
        pickle_key: bytes | str | None = None,
        allow_pickle: bool = True,
        durability: Literal["flush", "commit"] = "flush",
    ) -> None:
        """Opens `path`, which is made with its parents if it is not there.

        Args:
            path: The directory.
            max_bytes: What the cache may take, about what its file takes, such as 10**9, "10 GB" or
                "512 MiB"; at least 1 MiB. Beyond it, those that were not used for longest are
                dropped. None: no bound.
            max_age: How long a result is a hit after it was stored: whole seconds, or a timedelta.
                None: for ever.
            pickle_key: The secret that signs pickled results, 16 bytes or more; text stands for its
                UTF-8. By default that of the environment variable HYPERNODES_PICKLE_KEY, else the
                user's own, from a file that is made when first needed. Several machines or users
                that share a cache need one in common. Whoever knows it and can write into the
                directory can run code here. It travels when this object is pickled.
            allow_pickle: False to neither write nor read pickles: results that are no data are then
                not cached.
            durability: What survives a power loss; a killed process loses nothing that was put
                either way. "flush": what was put before flush(), which every map calls at its end.
                "commit": every put, at a third of the speed.

        Raises:
            CacheError: If the directory cannot be made or opened, or for an argument that makes no
                sense, such as a key that is too short.
            TypeError: If a bound is of a wrong type.
        """
        super().__init__(max_bytes, max_age, allow_pickle)
        self._path = Path(path)
        self._pickle_key = pickle_key.encode() if isinstance(pickle_key, str) else pickle_key
        if durability not in ("flush", "commit"):
            raise CacheError(
                f"There is no durability {durability!r}",
                "durability",
                "give 'flush', or 'commit' to sync at every put",
            )
        self._durability = durability
        self._opened = self._open()

    def _open(self) -> _core.DiskStore:
        return _core.DiskStore(
            str(self._path),
            self._max_bytes,
            self._max_age,
            self._allow_pickle,
            self._pickle_key,
            self._durability == "commit",
        )

    def _arguments(self) -> list[str]:
        arguments = [repr(str(self._path)), *super()._arguments()]
        durability = [] if self._durability == "flush" else [f"durability={self._durability!r}"]
        return arguments + durability

    @property
    def path(self) -> Path:
        """The directory."""
        return self._path

    def __getstate__(self) -> dict[str, Any]:
        """Path and options. A key that was given travels, no other does."""
        return {**super().__getstate__(), "_path": self._path.absolute()}


class MemoryCache(_NativeCache):
    """Results in this process's memory, shared by its threads, and gone when it ends.

    Results come back as from a DiskCache: as new objects, never as those that were put. Pickled to
    another process it arrives empty, with the same options; so what worker processes compute is not
    kept. A forked child has a copy of its own.

    >>> cache = MemoryCache(max_bytes="1 GiB", max_age=3600)
    >>> cache.put_many({"a": 1, "b": {"c": [2.5]}})
    >>> cache.get_many(["a", "b", "z"])
    {'a': 1, 'b': {'c': [2.5]}}
    >>> cache.stats()["records"], cache.stats()["max_bytes"]
    (2, 1073741824)
    """

    def __init__(
        self,
        max_bytes: int | str | None = None,
        max_age: float | timedelta | None = None,
        *,
        allow_pickle: bool = True,
    ) -> None:
        """Makes an empty cache.

        Args:
            max_bytes: What the records may take, with what finds them (160 bytes for a small one),
                such as 10**9, "10 GB" or "512 MiB". Beyond it, those that were not used for longest
                are dropped. None: no bound.
            max_age: How long a result is a hit after it was stored: whole seconds, or a timedelta.
                None: for ever.
            allow_pickle: False to never pickle: results that are no data are then not cached.

        Raises:
            CacheError: For a bound that makes no sense.
            TypeError: If a bound is of a wrong type.
        """
        super().__init__(max_bytes, max_age, allow_pickle)
        self._opened = self._open()

    def _open(self) -> _core.MemoryStore:
        return _core.MemoryStore(self._max_bytes, self._max_age, self._allow_pickle)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Opens at once: threads that open it when they need it could get a store each."""
        self.__dict__.update(state)
        self._opened = self._open()
