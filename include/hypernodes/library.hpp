// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "hypernodes/node.hpp"

namespace hypernodes {

/// Nodes that a shared library offers to programs that load it, in C++ and Python.
class Library {
 public:
  explicit Library(std::string name) : name_(std::move(name)) {}

  /// Offers `node` under its name. Throws: DependencyError if the name is taken.
  Library& add(Node node);

  const std::string& name() const { return name_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  /// Throws: DependencyError naming those there are.
  const Node& node(std::string_view name) const;

 private:
  std::string name_;
  std::vector<Node> nodes_;
};

/// Loads a node library: a shared library with a HYPERNODES_LIBRARY. It stays loaded; loading it
/// again gives the same nodes.
/// Throws: DependencyMissingError if there is no such file or it is no node library,
///         PlanError if it was built for another version of hypernodes or carries its own copy.
/// Threads: safe.
const Library& load_library(const std::filesystem::path& path);

namespace detail {

/// Grows with every change of what node libraries compile in from the headers.
inline constexpr std::uint32_t kLibraryAbi = 2;

/// What a node library exports as `hypernodes_library`.
struct LibraryEntry {
  std::uint32_t abi;
  const void* core;  ///< core_address() as the library sees it: differs if it has its own copy.
  const char* name;
  void (*fill)(Library& library);
};

/// An address that tells one loaded copy of the core from another.
const void* core_address();

}  // namespace detail

/// Makes a shared library a node library, once in one of its sources:
/// `HYPERNODES_LIBRARY(my_nodes, library) { library.add(hypernodes::node<twice>("doubled", {"x"}));
/// }`
#define HYPERNODES_LIBRARY(library_name, library)                                                  \
  static void hypernodes_fill_library(::hypernodes::Library& library);                             \
  extern "C" __attribute__((visibility("default"))) const ::hypernodes::detail::LibraryEntry*      \
  hypernodes_library() {                                                                           \
    static const ::hypernodes::detail::LibraryEntry entry{::hypernodes::detail::kLibraryAbi,       \
                                                          ::hypernodes::detail::core_address(),    \
                                                          #library_name, hypernodes_fill_library}; \
    return &entry;                                                                                 \
  }                                                                                                \
  static void hypernodes_fill_library(::hypernodes::Library& library)

}  // namespace hypernodes
