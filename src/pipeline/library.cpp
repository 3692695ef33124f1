// SPDX-License-Identifier: MIT
#include "hypernodes/library.hpp"

#include <dlfcn.h>

#include <map>
#include <memory>
#include <mutex>

#include "hypernodes/error.hpp"

namespace hypernodes {

Library& Library::add(Node node) {
  for (const Node& known : nodes_) {
    if (known.name() != node.name()) continue;
    throw DependencyError("Library '" + name_ + "' has two nodes named '" + node.name() + "'", {},
                          "give one another name with .named(\"...\")");
  }
  nodes_.push_back(std::move(node));
  return *this;
}

const Node& Library::node(std::string_view name) const {
  std::string known;
  for (const Node& node : nodes_) {
    if (node.name() == name) return node;
    known += (known.empty() ? "'" : ", '") + node.name() + "'";
  }
  throw DependencyError("Library '" + name_ + "' has no node '" + std::string(name) + "'", {},
                        "it has [" + known + "]");
}

const Library& load_library(const std::filesystem::path& path) {
  static std::mutex mutex;
  static std::map<const detail::LibraryEntry*, std::unique_ptr<Library>> loaded;
  const std::lock_guard lock(mutex);

  const std::string where = "library '" + path.string() + "'";
  // A bare name would be searched for on the system's path; a file in this folder is meant.
  const std::filesystem::path file = std::filesystem::absolute(path);
  void* const handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    throw DependencyMissingError(std::string("Cannot load node library: ") + dlerror(), where,
                                 "check the path and that its own libraries are installed");
  }
  auto* const entry_point =
      reinterpret_cast<const detail::LibraryEntry* (*)()>(dlsym(handle, "hypernodes_library"));
  if (entry_point == nullptr) {
    throw DependencyMissingError("Not a node library: it has no HYPERNODES_LIBRARY", where,
                                 "add HYPERNODES_LIBRARY(name, library) { ... } to one source");
  }
  const detail::LibraryEntry* const entry = entry_point();
  if (entry->abi != detail::kLibraryAbi) {
    throw PlanError("Node library was built for another hypernodes: its ABI is " +
                        std::to_string(entry->abi) + ", this one's is " +
                        std::to_string(detail::kLibraryAbi),
                    where, "build it again with the installed headers");
  }
  if (entry->core != detail::core_address()) {
    throw PlanError("Node library carries its own copy of hypernodes", where,
                    "link hypernodes::core as a shared library (hypernodes_add_nodes does)");
  }
  std::unique_ptr<Library>& library = loaded[entry];
  if (!library) {
    auto made = std::make_unique<Library>(entry->name);
    entry->fill(*made);
    library = std::move(made);
  }
  return *library;
}

const void* detail::core_address() {
  static const char here = 0;
  return &here;
}

}  // namespace hypernodes
