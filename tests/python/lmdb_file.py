# SPDX-License-Identifier: MIT
"""Reads and writes the records of a cache's file, as somebody could who has only the directory.

A program of its own (LMDB must not be opened twice in a process): `load` prints all records,
`store` puts those of its input; both as JSON of hex digits.
"""

import ctypes
import ctypes.util
import hashlib
import json
import struct
import subprocess
import sys
import time
from pathlib import Path

NOSUBDIR = 0x4000
CREATE = 0x40000
NEXT = 8
# Before each record: when it was last used. Zeros: before everything else.
STAMP = bytes(8)


class Bytes(ctypes.Structure):
    _fields_ = (("size", ctypes.c_size_t), ("data", ctypes.c_void_p))

    @classmethod
    def of(cls, content):
        made = cls(len(content), ctypes.cast(ctypes.c_char_p(content), ctypes.c_void_p))
        made.content = content  # keeps it alive
        return made

    def read(self):
        return ctypes.string_at(self.data, self.size)


def load(directory):
    """All records by key, read by another process."""
    found = _child("load", directory, "")
    return {bytes.fromhex(key): bytes.fromhex(record) for key, record in json.loads(found).items()}


def store(directory, records):
    """Puts `records`, by key, from another process."""
    _child("store", directory, json.dumps({k.hex(): v.hex() for k, v in records.items()}))


def with_checksum(key, body):
    """A record of these bytes under `key`, with the checksum that anybody can make."""
    xxhash = ctypes.CDLL(ctypes.util.find_library("xxhash"))
    xxhash.XXH3_64bits.restype = xxhash.XXH3_64bits_withSeed.restype = ctypes.c_uint64
    seed = xxhash.XXH3_64bits(key, ctypes.c_size_t(len(key)))
    return body + struct.pack(
        "<Q",
        xxhash.XXH3_64bits_withSeed(body, ctypes.c_size_t(len(body)), ctypes.c_uint64(seed)),
    )


def head(codec, version=2):
    """The first fields of a record that was made just now."""
    return struct.pack("<BBfI", version, codec, 0, int(time.time()))


def record(key, payload, *, codec, digest=None, mac=b""):
    """A record as docs/formats/record.md says, with whatever claims."""
    digest = digest or bytes([0x80]) + hashlib.sha256(payload).digest()[1:]
    body = head(codec) + digest + struct.pack("<Q", len(payload)) + payload
    return with_checksum(key, body + mac)


def _child(command, directory, text):
    return subprocess.run(
        [sys.executable, __file__, command, str(Path(directory) / "records.mdb")],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def main(command, file):
    lmdb = ctypes.CDLL(ctypes.util.find_library("lmdb"))

    def check(error):
        if error != 0:
            raise OSError(error, file)

    environment, transaction, tree = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_uint()
    check(lmdb.mdb_env_create(ctypes.byref(environment)))
    check(lmdb.mdb_env_set_maxdbs(environment, 8))
    check(lmdb.mdb_env_set_mapsize(environment, ctypes.c_size_t(1 << 28)))
    check(lmdb.mdb_env_open(environment, file.encode(), NOSUBDIR, 0o600))
    check(lmdb.mdb_txn_begin(environment, None, 0, ctypes.byref(transaction)))
    check(lmdb.mdb_dbi_open(transaction, b"records2", CREATE, ctypes.byref(tree)))
    key, value = Bytes(), Bytes()
    if command == "load":
        found = {}
        cursor = ctypes.c_void_p()
        check(lmdb.mdb_cursor_open(transaction, tree, ctypes.byref(cursor)))
        while lmdb.mdb_cursor_get(cursor, ctypes.byref(key), ctypes.byref(value), NEXT) == 0:
            found[key.read().hex()] = value.read()[len(STAMP) :].hex()
        lmdb.mdb_cursor_close(cursor)
        json.dump(found, sys.stdout)
    else:
        for name, content in json.load(sys.stdin).items():
            key, value = Bytes.of(bytes.fromhex(name)), Bytes.of(STAMP + bytes.fromhex(content))
            check(lmdb.mdb_put(transaction, tree, ctypes.byref(key), ctypes.byref(value), 0))
    check(lmdb.mdb_txn_commit(transaction))
    lmdb.mdb_env_close(environment)


if __name__ == "__main__":
    main(*sys.argv[1:])
