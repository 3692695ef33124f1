// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bindings/graph.hpp"
#include "bindings/python.hpp"
#include "daft/column_plan.hpp"
#include "daft/inlined.hpp"

namespace hypernodes::python {

/// The columns that a DataFrame begins with, and what its steps are compiled from.
struct FrameSource {
  std::int64_t rows = -1;  ///< -1: nobody knows.
  nb::list columns;        ///< (name, column) pairs.
  std::string
      key;  ///< Sources of one graph with the same key have the same steps. Empty: none has.
  std::shared_ptr<const Graph> asked;  ///< The pipeline, as it is.
  nb::object keeper;                   ///< Its Python object.
  Selection needed;                    ///< Of it.
  daft::Inlined parts;                 ///< The same as the steps have it.
  daft::PlanOptions options;
};

}  // namespace hypernodes::python
