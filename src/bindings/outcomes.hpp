// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>
#include <vector>

#include "bindings/graph.hpp"
#include "bindings/python.hpp"
#include "bindings/records.hpp"
#include "engine/batches.hpp"
#include "hypernodes/engine.hpp"

/// What becomes of a map whose failing rows do not stop it. REQUIRES: the lock.
namespace hypernodes::python {

/// Throws: PlanError for a word that names none.
OnError on_error_of(std::string_view on_error);

/// What hypernodes/outcomes.py makes its results of: (results, rows, failures). `rows` are the good
/// ones, or None if all are there. A failure is (row, names of its nodes, error, its mapped inputs,
/// their digest or None).
nb::object outcomes(const Plan& plan, const GraphInputs& inputs, std::vector<Pieces> outputs,
                    Shape shape, OnError on_error, const Statistics& statistics);

}  // namespace hypernodes::python
