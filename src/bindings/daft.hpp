// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bindings/arrow.hpp"
#include "bindings/python.hpp"
#include "hypernodes/column.hpp"

namespace hypernodes::python {

/// Columns of one length, handed to Python as an Arrow stream of one batch (`__arrow_c_stream__`).
class ArrowTable {
 public:
  explicit ArrowTable(std::vector<std::pair<std::string, Column>> columns);
  nb::object stream(nb::handle requested_schema) const;

 private:
  Column rows_;  ///< A struct with a field for each column.
};

void bind_daft_frame(nb::module_& module);
void bind_daft_events(nb::module_& module);
void bind_daft(nb::module_& module);

}  // namespace hypernodes::python
