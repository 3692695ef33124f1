// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "bindings/python.hpp"

/// Python objects of any type as pickles, for results that have no data-only encoding. REQUIRES:
/// the lock. Throws: nb::python_error for what is no Exception, such as KeyboardInterrupt.
namespace hypernodes::python {

/// Appends the pickle of `value`. False, with nothing appended and the reason in `why`, if it has
/// none that another process could open.
bool pickle_value(const Value& value, std::string& out, std::string* why);

/// The object for `pickle`. False if it cannot be opened. It may run any code: REQUIRES a verified
/// MAC.
bool unpickle_value(std::string_view pickle, Value* out);

}  // namespace hypernodes::python
