// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "bindings/python.hpp"

/// Python objects as data (values/codec.hpp). Exactly these types have an encoding: None, bool,
/// int, float, str, bytes, list, tuple, dict, set, frozenset and numpy arrays of numbers, text and
/// times. REQUIRES: the lock.
namespace hypernodes::python {

/// Appends the encoding of `object`: the same bytes as the core's for the same plain value. False,
/// with nothing appended, if it or anything inside has none; no exception stays pending.
/// `*unordered` is set if there is a dict, whose canonical form may differ.
bool encode_object(PyObject* object, bool canonical, std::string& out, bool* unordered);

/// The object for `encoded`. False if the bytes are no encoding, whoever wrote them.
bool decode_object(std::string_view encoded, Value* out);

}  // namespace hypernodes::python
