// SPDX-License-Identifier: MIT
#include "hypernodes/draw.hpp"

#include "draw/model.hpp"
#include "hypernodes/error.hpp"
#include "values/text.hpp"

namespace hypernodes {

const DrawTheme& draw_theme(std::string_view name) {
  std::vector<std::string> names;
  for (const auto& [known, theme] : draw_themes()) {
    if (known == name) return theme;
    names.push_back(known);
  }
  throw PlanError("Unknown style '" + std::string(name) + "'", {},
                  "use one of " + quoted_list(names) + ", or a theme of your own");
}

std::string to_dot(const Pipeline& pipeline, const DrawOptions& options) {
  return draw::draw_dot(draw::subject_of(pipeline), options);
}

std::string to_mermaid(const Pipeline& pipeline, const DrawOptions& options) {
  return draw::draw_mermaid(draw::subject_of(pipeline), options);
}

std::string to_svg(const Pipeline& pipeline, const DrawOptions& options) {
  return draw::draw_svg(draw::subject_of(pipeline), options);
}

std::string to_html(const Pipeline& pipeline, const DrawOptions& options) {
  return draw::draw_html(draw::subject_of(pipeline), options);
}

}  // namespace hypernodes
