# SPDX-License-Identifier: MIT
"""The parts of `hypernodes.fingerprint`.

From the ground up, each using only those before it: digest, origin, code, names, classes,
objects, snapshot, arrays, values, imports, reach, dependencies, inputs, pinned.
"""
