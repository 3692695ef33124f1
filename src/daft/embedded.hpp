// SPDX-License-Identifier: MIT
#pragma once

#include "daft/query.hpp"

namespace hypernodes::daft {

/// Runs the query of a job with the Python of this process, which it starts if there is none.
/// Throws: DependencyMissingError if Python, Daft or the package hypernodes is not there; Error
/// with
///         Python's own message if the query fails.
void launch_embedded(const OpenJob& job);

}  // namespace hypernodes::daft
