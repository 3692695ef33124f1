# SPDX-License-Identifier: MIT
"""Records that were damaged or planted: misses, counted, computed again right; no code runs."""

import hashlib
import hmac
import pickle
import struct
from pathlib import Path

import pytest

import lmdb_file
from hypernodes import DiskCache, Pipeline, node
from pickled import Point

SECRET = "a secret that this test knows"


@node(output_name="y")
def short(x):
    return x


@node(output_name="y")
def long(x):
    return f"{x:05}" * 12


@node(output_name=("y", "z", "w"))
def several(x):
    return x, [f"{x:05}"] * 3, b"w" * 40


@node(output_name="y")
def pickled(x):
    return Point(x, [f"{x:05}"])


@node(output_name=("y", "z"))
def mixed(x):
    return f"{x:05}", Point(x)


NODES = {"short": short, "long": long, "several": several, "pickled": pickled, "mixed": mixed}


class Store:
    """A map's results in a directory, and their records as who can write there sees them."""

    def __init__(self, directory, made, count):
        self.directory = directory
        self.node = made
        self.rows = list(range(1000, 1000 + count))
        self.pipeline = Pipeline([made], cache=DiskCache(directory, pickle_key=SECRET))
        self.expected = self.map()
        self.records = lmdb_file.load(directory)
        assert len(self.records) == count

    def map(self):
        return self.pipeline.map({"x": self.rows}, map_over="x")

    def misses_all(self, planted, trial):
        """Puts `planted` in place of the records: all are seen, none is believed."""
        assert planted.keys() == self.records.keys()
        lmdb_file.store(self.directory, planted)
        assert self.map() == self.expected, trial
        did = self.pipeline.last_run
        assert did.damaged_records == len(self.rows), trial
        assert did.nodes[self.node.name].rows_run == len(self.rows), trial
        assert not did.degraded, trial
        assert self.map() == self.expected, trial
        assert self.pipeline.last_run.damaged_records == 0, trial
        assert self.pipeline.last_run.nodes[self.node.name].rows_run == 0, trial


def length_of_records(tmp_path, made):
    (record,) = Store(tmp_path / "one", made, 1).records.values()
    return len(record)


MASKS = [
    pytest.param([0x08], id="one bit"),
    pytest.param([1 << i for i in range(8)], id="every bit", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("name", NODES)
def test_flipped_bit_at_every_byte(tmp_path, name, masks):
    length = length_of_records(tmp_path, NODES[name])
    store = Store(tmp_path / "cache", NODES[name], length)
    for mask in masks:
        planted = {}
        for position, (key, record) in enumerate(store.records.items()):
            assert len(record) == length
            flipped = bytearray(record)
            flipped[position] ^= mask
            planted[key] = bytes(flipped)
        store.misses_all(planted, f"bits {mask:08b}")


@pytest.mark.parametrize("name", NODES)
def test_record_cut_at_every_length(tmp_path, name):
    length = length_of_records(tmp_path, NODES[name])
    store = Store(tmp_path / "cache", NODES[name], length)
    planted = {key: r[:cut] for cut, (key, r) in enumerate(store.records.items())}
    store.misses_all(planted, "cut")
    # So, with the checksum that anybody can make; which is right if only that was cut off.
    planted = {
        key: b"" if cut == length - 8 else lmdb_file.with_checksum(key, record[:cut])
        for cut, (key, record) in enumerate(store.records.items())
    }
    store.misses_all(planted, "cut, with a checksum")


@pytest.mark.parametrize("name", NODES)
def test_swapped_records(tmp_path, name):
    store = Store(tmp_path / "cache", NODES[name], 20)
    keys = list(store.records)
    others = dict(zip(keys, keys[1:] + keys[:1], strict=True))
    store.misses_all({key: store.records[others[key]] for key in keys}, "swapped")


# Planted on purpose ----------------------------------------------------------------------------


class Poison:
    """Opening its pickle makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (Path(self.marker),)


def signed(key, payload, secret=SECRET):
    """A record of codec 2 whose MAC is by `secret`."""
    digest = bytes([0x80]) + hashlib.sha256(payload).digest()[1:]
    body = lmdb_file.head(2) + digest + struct.pack("<Q", len(payload)) + payload
    mac = hmac.new(secret.encode(), b"hypernodes mac 1" + key + body, hashlib.sha256).digest()
    return lmdb_file.with_checksum(key, body + mac)


def with_header(record, key, **fields):
    """`record` with another version, codec or length, and the checksum for that."""
    body = bytearray(record[:-8])
    body[0] = fields.get("version", body[0])
    body[1] = fields.get("head", body[1])
    if "length" in fields:
        struct.pack_into("<Q", body, 10 + 32, fields["length"])
    return lmdb_file.with_checksum(key, bytes(body))


def deep(opening, levels=100_000):
    return opening * levels + b"\x00"


def crafted(key, record, poison):
    """Many records for `key`, none of which may be believed."""
    for version in (0, 1, 3, 127, 255):
        yield f"version {version}", with_header(record, key, version=version)
    for head in (0, 3, 7, 0x3F, 0x42, 0x81, 0xC1, 0xFF):
        yield f"head {head:#x}", with_header(record, key, head=head)
    for length in (0, 59, 61, 1 << 31, 1 << 32, 1 << 63, (1 << 64) - 1, (1 << 64) - 60):
        yield f"length {length}", with_header(record, key, length=length)
    for opening in (b"\x08\x01", b"\x09\x01", b"\x0a\x01", b"\x0b\x01"):
        yield f"deep {opening.hex()}", lmdb_file.record(key, deep(opening), codec=1)
    for count in (b"\xff" * 8 + b"\x0f", b"\xff" * 9 + b"\x01", b"\xff" * 20):
        for opening in (b"\x05", b"\x06", b"\x08", b"\x0a", b"\x0b"):
            payload = opening + count
            yield f"count {payload.hex()}", lmdb_file.record(key, payload, codec=1)
    marked = b"\xff" + poison
    for secret in ("", "another secret of sixteen", SECRET + "!", SECRET[:-1]):
        yield f"signed with {secret!r}", signed(key, marked, secret)
    other_key = bytes(32)
    yield "signed for another key", lmdb_file.with_checksum(key, signed(other_key, marked)[:-8])
    yield "empty", b""
    yield "one byte", b"\x01"
    yield "a megabyte of zeros", bytes(1 << 20)
    yield "a bare pickle", poison


def test_crafted_records(tmp_path):
    marker = tmp_path / "marker"
    poison = pickle.dumps(Poison(marker), protocol=5)
    kinds = [kind for kind, _ in crafted(bytes(32), bytes(200), poison)]
    store = Store(tmp_path / "cache", long, len(kinds))
    planted = {
        key: next(made for name, made in crafted(key, record, poison) if name == kind)
        for kind, (key, record) in zip(kinds, store.records.items(), strict=True)
    }
    store.misses_all(planted, "crafted")
    assert not marker.exists()


def test_pickles_with_the_right_mac_that_do_not_open(tmp_path):
    """What somebody with the key wrote badly is a miss, too; to open it is their right."""
    store = Store(tmp_path / "cache", pickled, 4)
    nested = []
    for _ in range(150):
        nested = [nested]
    bad = [
        b"\xff" + b"(" * 100_000,  # marks without end
        b"\xff" + b"\x80\x05cno_such_module\nno_such_name\n.",
        b"\xff" + pickle.dumps(nested)[:-1],
        b"\xff",
    ]
    planted = {k: signed(k, b) for k, b in zip(store.records, bad, strict=True)}
    lmdb_file.store(store.directory, planted)
    assert store.map() == store.expected
    assert store.pipeline.last_run.damaged_records == 4
    good = {k: signed(k, b"\xff" + pickle.dumps(Point(7), protocol=5)) for k in store.records}
    lmdb_file.store(store.directory, good)
    assert store.map() == [{"y": Point(7)}] * 4  # the MAC that this test makes is the right one
