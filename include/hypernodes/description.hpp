// SPDX-License-Identifier: MIT
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "hypernodes/type.hpp"
#include "hypernodes/value.hpp"

namespace hypernodes {

/// A pipeline as a user of it sees it: what it needs, what it makes, and how.
struct Description {
  struct Input {
    std::string name;
    Type type = Kind::kObject;  ///< Of the first node that reads it.
    bool required = true;       ///< Neither bound nor with a default in every node.
    bool bound = false;
    std::optional<Value> fallback = std::nullopt;  ///< What is bound, else a node's default.
    std::vector<std::string> nodes = {};           ///< Those that read it.
  };
  struct Output {
    std::string name;
    Type type = Kind::kObject;
    std::string node;
  };
  struct Node {
    std::string name;
    std::vector<std::string> inputs;
    std::vector<std::string> outputs;
    bool cached = true;
  };

  std::string name;
  std::vector<Input> inputs;    ///< By name.
  std::vector<Output> outputs;  ///< In the order they are made.
  std::vector<Node> nodes;      ///< In the order they run.
};

/// A table of each.
std::ostream& operator<<(std::ostream& stream, const Description& description);

}  // namespace hypernodes
