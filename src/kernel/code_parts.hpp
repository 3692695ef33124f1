// SPDX-License-Identifier: MIT
#pragma once

#include "hypernodes/explanation.hpp"
#include "hypernodes/node.hpp"

namespace hypernodes {

/// What a node's code is made of; of a pipeline, what that of its nodes is.
CodeParts parts_of(const Node& node);

/// The answer for a row that was computed by code of parts `before`: which of them differ `now`.
RowExplanation changed_code(const CodeParts& before, const CodeParts& now);

/// `a, b and 3 more`
std::string listed(const std::vector<std::string>& names);

}  // namespace hypernodes
