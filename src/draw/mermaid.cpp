// SPDX-License-Identifier: MIT
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "draw/model.hpp"
#include "draw/text.hpp"

namespace hypernodes::draw {
namespace {

/// Quoted, with Mermaid's own entities.
std::string mermaid_string(std::string_view text) {
  std::string out = "\"";
  for (const char byte : text) {
    if (std::string_view("\"#&<>`\\").find(byte) != std::string_view::npos) {
      out += '#' + std::to_string(static_cast<int>(byte)) + ';';
    } else {
      out += byte;
    }
  }
  return out + (text.empty() ? " \"" : "\"");
}

class Writer {
 public:
  std::string flowchart(const Drawing& drawing, Orientation orientation) {
    constexpr const char* kDirections[] = {"TB", "BT", "LR", "RL"};
    add({"flowchart ", kDirections[static_cast<int>(orientation)], "\n"});
    scope(drawing.scope, "  ");
    // Ports are left out: an edge goes from where the data is made to where it is used.
    for (const auto& [from, to] : edges_) {
      if (sources_.contains(to)) continue;
      int source = from;
      for (auto port = sources_.find(source); port != sources_.end();
           port = sources_.find(source)) {
        source = port->second;
      }
      add({"  n", std::to_string(source), " --> n", std::to_string(to), "\n"});
    }
    return std::move(out_);
  }

 private:
  void add(std::initializer_list<std::string_view> parts) {
    for (const std::string_view part : parts) out_ += part;
  }

  void scope(const Scope& scope, const std::string& indent) {
    for (const Box& box : scope.boxes) {
      std::string text = box.title;
      if (!box.detail.empty()) text += (box.detail.front() == ':' ? "" : " ") + box.detail;
      if (!box.note.empty()) text += " \xC2\xB7 " + box.note;
      for (const std::string& badge : box.badges) text += " \xC2\xB7 " + badge;
      if (box.inside != nullptr) {
        add({indent, "subgraph n", std::to_string(box.id), "[", mermaid_string(text), "]\n"});
        this->scope(*box.inside, indent + "  ");
        add({indent, "end\n"});
      } else if (box.kind != BoxKind::kEntry && box.kind != BoxKind::kExit) {
        const auto [open, close] = shape(box.kind);
        add({indent, "n", std::to_string(box.id), open, mermaid_string(text), close, "\n"});
      }
    }
    for (const Edge& edge : scope.edges) {
      const int from = departs_from(scope, edge);
      const int to = arrives_at(scope, edge);
      const Box& target = scope.boxes[static_cast<std::size_t>(edge.to)];
      edges_.emplace_back(from, to);
      if (target.inside != nullptr || target.kind == BoxKind::kExit) sources_.emplace(to, from);
    }
  }

  static std::pair<const char*, const char*> shape(BoxKind kind) {
    switch (kind) {
      case BoxKind::kFunction:
      case BoxKind::kNative:
        return {"[", "]"};
      case BoxKind::kPipeline:
        return {"[[", "]]"};
      default:
        return {"([", "])"};
    }
  }

  std::string out_;
  std::vector<std::pair<int, int>> edges_;
  std::map<int, int> sources_;  // of each port
};

}  // namespace

std::string draw_mermaid(const Subject& subject, const DrawOptions& options) {
  return Writer().flowchart(make_drawing(subject, options), options.orientation);
}

}  // namespace hypernodes::draw
