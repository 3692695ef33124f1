// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "bindings/python.hpp"

/// Python objects as data (values/codec.hpp). Exactly these types have an encoding: None, bool,
/// int, float, str, bytes, list, tuple, dict, set, frozenset and numpy arrays of numbers, text and
/// times. For all others `hypernodes.fingerprint.value_digest` makes a digest, which stands for
/// them in the canonical form. REQUIRES: the lock.
namespace hypernodes::python {

/// Appends the encoding of `object`: the same bytes as the core's for the same plain value. False,
/// with nothing appended, if it or anything inside has none; no exception stays pending.
/// `*unordered` is set if there is a dict, whose canonical form may differ.
bool encode_object(PyObject* object, bool canonical, std::string& out, bool* unordered);

/// Appends the canonical encoding of an object that is plain data all through. False, with nothing
/// appended, if it is not.
bool encode_plain(PyObject* object, std::string& out);

/// Why this thread's last encode_object() failed, in words for a warning.
std::string encode_refusal();

/// The object for `encoded`. False if the bytes are no encoding, whoever wrote them.
bool decode_object(std::string_view encoded, Value* out);

}  // namespace hypernodes::python
