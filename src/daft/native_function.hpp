// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "hypernodes/column.hpp"

namespace hypernodes::daft {

/// A function of whole columns that Daft calls through its extension interface.
/// Threads: called from several of Daft's threads at once.
class NativeFunction {
 public:
  virtual ~NativeFunction() = default;

  /// The result's type. Asked at planning and before each call.
  /// Throws: TypeError if these argument types cannot be used.
  virtual Type result_type(std::span<const Type> arguments) const = 0;

  /// A column of result_type. A literal arrives with one row, whatever the others have.
  virtual Column call(std::span<const Column> arguments) const = 0;
};

/// Gives `function` to the session that loads the extension next, and to no other: whoever defines
/// it makes its expression there and may then detach the name. It lives as long as its expressions.
/// Returns the name: `hn_<stem>_<number>`, unique in the process.
std::string define_function(std::string_view stem, std::shared_ptr<const NativeFunction> function);

/// The file that Daft loads for these functions: this library, as it was loaded, so that Daft finds
/// this copy of it and not another.
std::string extension_path();

}  // namespace hypernodes::daft
