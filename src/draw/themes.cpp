// SPDX-License-Identifier: MIT
#include "hypernodes/draw.hpp"

namespace hypernodes {
namespace {

DrawTheme dark() {
  DrawTheme theme;
  theme.background = "#0f172a";
  theme.text = "#f1f5f9";
  theme.muted = "#94a3b8";
  theme.input_fill = "#1e293b";
  theme.input_border = "#64748b";
  theme.bound_fill = "#3b2f0b";
  theme.bound_border = "#ca8a04";
  theme.function_fill = "#172f5c";
  theme.function_border = "#3b82f6";
  theme.native_fill = "#0b3b2e";
  theme.native_border = "#10b981";
  theme.pipeline_fill = "#2e2360";
  theme.pipeline_border = "#8b5cf6";
  theme.output_fill = "#43250f";
  theme.output_border = "#f97316";
  theme.group_fill = "#151d33";
  theme.group_border = "#5b4a9c";
  theme.edge = "#64748b";
  theme.highlight = "#7dd3fc";
  return theme;
}

/// Black on white, with as little as possible.
DrawTheme minimal() {
  DrawTheme theme;
  theme.text = "#18181b";
  theme.muted = "#71717a";
  for (std::string* const fill :
       {&theme.input_fill, &theme.bound_fill, &theme.function_fill, &theme.native_fill,
        &theme.pipeline_fill, &theme.output_fill, &theme.group_fill}) {
    *fill = "#ffffff";
  }
  theme.bound_fill = "#f4f4f5";
  for (std::string* const border :
       {&theme.input_border, &theme.bound_border, &theme.output_border, &theme.group_border}) {
    *border = "#d4d4d8";
  }
  theme.function_border = theme.pipeline_border = "#52525b";
  theme.native_border = "#18181b";
  theme.edge = "#a1a1aa";
  theme.highlight = "#18181b";
  theme.corner_radius = 4;
  theme.line_width = 1;
  theme.shadow = false;
  return theme;
}

/// Navy and slate, for documents.
DrawTheme professional() {
  DrawTheme theme;
  theme.text = "#1f2937";
  theme.muted = "#6b7280";
  theme.input_fill = "#f9fafb";
  theme.input_border = "#9ca3af";
  theme.bound_fill = "#f3f4f6";
  theme.bound_border = "#4b5563";
  theme.function_fill = "#e8eef7";
  theme.function_border = "#2f5597";
  theme.native_fill = "#e3f1ee";
  theme.native_border = "#1f7a68";
  theme.pipeline_fill = "#ebe9f3";
  theme.pipeline_border = "#5b4b8a";
  theme.output_fill = "#fbf3e6";
  theme.output_border = "#b7791f";
  theme.group_fill = "#f7f8fb";
  theme.group_border = "#a8b3c7";
  theme.edge = "#6b7280";
  theme.highlight = "#2f5597";
  theme.corner_radius = 3;
  theme.shadow = false;
  return theme;
}

DrawTheme pastel() {
  DrawTheme theme;
  theme.background = "#fffdfa";
  theme.text = "#4a4458";
  theme.muted = "#8a8399";
  theme.input_fill = "#f3f0f7";
  theme.input_border = "#c9bfd9";
  theme.bound_fill = "#fff5d6";
  theme.bound_border = "#f0cf7a";
  theme.function_fill = "#dcecfb";
  theme.function_border = "#9cc4ea";
  theme.native_fill = "#d9f2e3";
  theme.native_border = "#92d3ae";
  theme.pipeline_fill = "#ece2fb";
  theme.pipeline_border = "#c2a6ec";
  theme.output_fill = "#fde4dc";
  theme.output_border = "#f2b09a";
  theme.group_fill = "#faf6fd";
  theme.group_border = "#d9c8f0";
  theme.edge = "#c3b8d1";
  theme.highlight = "#a97bdc";
  theme.corner_radius = 13;
  return theme;
}

/// For projectors and weak eyes: every text has a contrast of at least 7 to 1.
DrawTheme high_contrast() {
  DrawTheme theme;
  theme.text = "#000000";
  theme.muted = "#303030";
  theme.input_fill = "#ffffff";
  theme.bound_fill = "#fff2a8";
  theme.function_fill = "#cfe3ff";
  theme.native_fill = "#c9f7d9";
  theme.pipeline_fill = "#e4d6ff";
  theme.output_fill = "#ffdcc2";
  theme.group_fill = "#ffffff";
  for (std::string* const border :
       {&theme.input_border, &theme.bound_border, &theme.function_border, &theme.native_border,
        &theme.pipeline_border, &theme.output_border, &theme.group_border, &theme.edge}) {
    *border = "#000000";
  }
  theme.highlight = "#c00000";
  theme.line_width = 2;
  theme.shadow = false;
  return theme;
}

}  // namespace

const std::vector<std::pair<std::string, DrawTheme>>& draw_themes() {
  static const std::vector<std::pair<std::string, DrawTheme>> themes = {
      {"default", DrawTheme()},         {"dark", dark()},     {"minimal", minimal()},
      {"professional", professional()}, {"pastel", pastel()}, {"high_contrast", high_contrast()},
  };
  return themes;
}

}  // namespace hypernodes
