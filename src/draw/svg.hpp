// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "draw/model.hpp"

namespace hypernodes::draw {

/// An `<svg>` element. Standalone it is a file of its own: with its namespace and the pipeline's
/// name; else it is part of a page that says these, which gives it more `attributes`.
std::string svg_element(const Drawing& drawing, const DrawOptions& options, bool standalone,
                        const std::string& attributes = {});

}  // namespace hypernodes::draw
