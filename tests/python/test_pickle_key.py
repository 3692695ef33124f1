# SPDX-License-Identifier: MIT
"""The secret of pickled results: whose it is, and that nothing is opened without it."""

import pathlib
import pickle
import struct
import warnings

import pytest

import lmdb_file
from hypernodes import DiskCache, Pipeline
from hypernodes.exceptions import CacheError, UncachedWarning
from pickled import Point, Program, Signatures, producer

KEY = "a key that two machines have in common"
PICKLE_MARK = b"\xff"


@pytest.fixture
def program(tmp_path):
    return Program(tmp_path)


def key_file(home):
    return home / "hypernodes" / "pickle.key"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data"


def test_key_is_made_on_first_need_for_its_user_alone(home, tmp_path):
    cache = DiskCache(tmp_path / "cache")
    cache.put("a", [1, "data"])
    assert cache.get("a") == [1, "data"]
    assert not home.exists()
    cache.put("b", Point(1))
    assert key_file(home).stat().st_mode & 0o7777 == 0o600
    assert key_file(home).stat().st_size == 32
    assert DiskCache(tmp_path / "cache").get("b") == Point(1)


def run_uncached(pipeline, match):
    """Runs it twice: one warning, every call made, the result right."""
    with pytest.warns(UncachedWarning, match=match) as caught:
        first = pipeline.map({"x": [1, 2]}, map_over="x")
    assert len(caught) == 1
    second = pipeline.map({"x": [1, 2]}, map_over="x")
    assert len(pipeline.last_run.warnings) == 1
    assert first == second == [{"out": Point(0)}] * 2


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_key_that_others_may_know_is_refused(home, tmp_path, mode):
    DiskCache(tmp_path / "cache").put("made", Point(1))
    key_file(home).chmod(mode)
    cache = DiskCache(tmp_path / "cache")
    assert cache.get("made") is None
    assert not cache.has("made")
    with pytest.raises(TypeError, match="others can read or write it"):
        cache.put("b", Point(1))
    made, calls = producer(lambda: Point(0))
    run_uncached(Pipeline([made], cache=cache), "must be pickled are not cached: .* others can")
    assert calls == [1, 2, 1, 2]
    key_file(home).chmod(0o600)
    assert cache.get("made") == Point(1)


def test_without_a_home_results_are_uncached(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.delenv("HOME")
    made, calls = producer(lambda: Point(0))
    run_uncached(Pipeline([made], cache=DiskCache(tmp_path / "cache")), "no home directory")
    assert calls == [1, 2, 1, 2]


def test_home_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file" / "data"))
    made, _ = producer(lambda: Point(0))
    run_uncached(Pipeline([made], cache=DiskCache(tmp_path / "cache")), "cannot be ")


def test_given_key(home, tmp_path, monkeypatch):
    by_text = DiskCache(tmp_path / "cache", pickle_key=KEY)
    by_text.put("a", Point(1))
    assert not home.exists()
    assert DiskCache(tmp_path / "cache", pickle_key=KEY.encode()).get("a") == Point(1)
    assert DiskCache(tmp_path / "cache").get("a") is None
    assert not DiskCache(tmp_path / "cache", pickle_key=KEY + "!").has("a")
    monkeypatch.setenv("HYPERNODES_PICKLE_KEY", KEY)
    assert DiskCache(tmp_path / "cache").get("a") == Point(1)
    assert DiskCache(tmp_path / "cache", pickle_key=KEY + "!").get("a") is None
    for short in ("", b"", "fifteen bytes .", b"short"):
        with pytest.raises(CacheError, match=f"has {len(short)} bytes"):
            DiskCache(tmp_path / "cache", pickle_key=short)


def test_pickled_cache_has_the_key_only_if_it_was_given(home, tmp_path, monkeypatch):
    cache = DiskCache(tmp_path / "cache")
    cache.put("a", Point(1))
    assert key_file(home).read_bytes() not in pickle.dumps(cache)
    assert pickle.loads(pickle.dumps(cache)).get("a") == Point(1)
    monkeypatch.setenv("HYPERNODES_PICKLE_KEY", KEY)
    assert KEY.encode() not in pickle.dumps(DiskCache(tmp_path / "cache"))
    monkeypatch.delenv("HYPERNODES_PICKLE_KEY")
    given = DiskCache(tmp_path / "cache", pickle_key=KEY)
    given.put("b", Point(2))
    assert pickle.loads(pickle.dumps(given)).get("b") == Point(2)
    assert KEY not in repr(given)
    forbidding = pickle.loads(pickle.dumps(DiskCache(tmp_path / "cache", allow_pickle=False)))
    assert not forbidding.allow_pickle
    assert forbidding.get("a") is None


def test_pickles_can_be_forbidden(home, tmp_path, program):
    made, calls = producer(lambda: Point(0))
    Pipeline([made], cache=DiskCache(tmp_path / "cache")).map({"x": [1, 2]}, map_over="x")
    calls.clear()
    cache = DiskCache(tmp_path / "cache", allow_pickle=False)
    pipeline = Pipeline([made], cache=cache)
    run_uncached(pipeline, r"must be pickled are not cached: .*allow_pickle=False")
    assert calls == [1, 2, 1, 2]
    assert pipeline.last_run.damaged_records == 2
    with pytest.raises(TypeError, match=r"cannot store .*Point: .*allow_pickle=False"):
        cache.put("a", Point(1))
    size = len(cache)
    out = program("point", FORBIDDEN="yes")
    assert "make_point" in out
    assert len(cache) == size


def test_unused_key_costs_no_warning(home, tmp_path):
    made, _ = producer(lambda: 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Pipeline([made], cache=DiskCache(tmp_path / "cache")).run({"x": 1}) == {"out": 1}


def test_users_with_a_key_in_common_share_and_others_do_not(program, tmp_path):
    homes = [str(tmp_path / name) for name in ("one", "two")]
    assert program("area", XDG_DATA_HOME=homes[0])[-1] == "damaged 0"
    foreign = program("area", XDG_DATA_HOME=homes[1])
    # What could not be trusted was made, and signed, again.
    assert sorted(foreign[:2]) == ["make_point", "make_when"]
    assert foreign[-1] == "damaged 2"
    for home in homes:
        shared = program("area", XDG_DATA_HOME=home, HYPERNODES_PICKLE_KEY=KEY)
    assert shared == ["area 9 size None", "damaged 0"]


def test_processes_that_make_the_key_at_once_share_it(program, tmp_path):
    home = str(tmp_path / "new")
    children = [program.start("area", XDG_DATA_HOME=home) for _ in range(4)]
    for child in children:
        out, _ = child.communicate()
        assert child.returncode == 0
        assert out.endswith("damaged 0\n")
    assert program("area", XDG_DATA_HOME=home) == ["area 9 size None", "damaged 0"]


# Poison ----------------------------------------------------------------------------------------


class Poison:
    """Opening its pickle makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path(self.marker),)


def poisoned(kind, key, poison, foreign):
    """A record for `key` that would open `poison`, made without the secret."""
    marked = PICKLE_MARK + poison
    match kind:
        case "signed with another key":
            return foreign
        case "no MAC":
            return lmdb_file.record(key, marked, codec=2)
        case "a MAC of zeros":
            return lmdb_file.record(key, marked, codec=2, mac=bytes(32))
        case "a MAC of something else":
            return lmdb_file.record(key, marked, codec=2, mac=foreign[-40:-8])
        case "no flag":
            return lmdb_file.record(key, marked, codec=1)
        case "no flag and no mark":
            return lmdb_file.record(key, poison, codec=1)
        case "unknown flags":
            return lmdb_file.record(key, marked, codec=3)
        case "only the mark":
            return lmdb_file.record(key, PICKLE_MARK, codec=1)
        case "hidden in a digest":
            # Of 31 bytes at most; what is meant to be refused is the place, whatever is in it.
            digest = bytes([31]) + (marked + bytes(31))[:31]
            body = lmdb_file.head(0x41) + digest + struct.pack("<Q", 0)
            return lmdb_file.with_checksum(key, body)
        case "hidden in a digest that is the payload":
            digest = bytes([31]) + (marked + bytes(31))[:31]
            return lmdb_file.with_checksum(key, lmdb_file.head(0xC1) + digest)
        case "inside a list":
            return lmdb_file.record(key, b"\x08\x01" + marked, codec=1)
    raise AssertionError(kind)


KINDS = [
    "signed with another key",
    "no MAC",
    "a MAC of zeros",
    "a MAC of something else",
    "no flag",
    "no flag and no mark",
    "unknown flags",
    "only the mark",
    "hidden in a digest",
    "hidden in a digest that is the payload",
    "inside a list",
]


def test_planted_pickles_are_never_opened(tmp_path):
    path, theirs = tmp_path / "cache", tmp_path / "theirs"
    rows = list(range(len(KINDS)))
    made, calls = producer(lambda: Point(calls[-1]))
    signatures = Signatures()
    pipeline = Pipeline([made], cache=DiskCache(path), callbacks=[signatures])
    expected = [{"out": Point(x)} for x in rows]
    for _ in range(2):
        assert pipeline.map({"x": rows}, map_over="x") == expected
    keys = [bytes.fromhex(signature) for signature in signatures.seen]
    assert len(set(keys)) == len(KINDS)

    marker = tmp_path / "marker"
    poison = pickle.dumps(Poison(marker), protocol=5)
    attacker = DiskCache(theirs, pickle_key="the attacker's own key")
    for key in keys:
        attacker.put(key.hex(), Poison(marker))
    foreign = lmdb_file.load(theirs)
    assert all(poison in record for record in foreign.values())
    planted = {
        key: poisoned(kind, key, poison, foreign[key])
        for kind, key in zip(KINDS, keys, strict=True)
    }
    lmdb_file.store(path, planted)
    assert lmdb_file.load(path) == planted
    for kind, key in zip(KINDS, keys, strict=True):
        assert DiskCache(path).get(key.hex()) is None, kind
        assert not marker.exists(), kind

    calls.clear()
    assert pipeline.map({"x": rows}, map_over="x") == expected
    assert not marker.exists()
    assert sorted(calls) == rows
    assert pipeline.last_run.damaged_records == len(KINDS)
    # They were replaced by good ones.
    assert pipeline.map({"x": rows}, map_over="x") == expected
    assert pipeline.last_run.damaged_records == 0
    pickle.loads(poison)
    assert marker.exists()  # it would have worked


def test_records_moved_to_other_keys_are_misses(tmp_path):
    path = tmp_path / "cache"
    made, calls = producer(lambda: Point(calls[-1]))
    pipeline = Pipeline([made], cache=DiskCache(path))
    expected = pipeline.map({"x": [1, 2]}, map_over="x")
    (a, of_a), (b, of_b) = lmdb_file.load(path).items()
    lmdb_file.store(
        path, {a: lmdb_file.with_checksum(a, of_b[:-8]), b: lmdb_file.with_checksum(b, of_a[:-8])}
    )
    for key in (a, b):
        assert not DiskCache(path).has(key.hex())
        assert DiskCache(path).get(key.hex()) is None
    assert pipeline.map({"x": [1, 2]}, map_over="x") == expected
    assert pipeline.last_run.damaged_records == 2
