// SPDX-License-Identifier: MIT
// What a node library looks like that was built with another hypernodes (FOREIGN_ABI), or that was
// linked with a copy of its own.

#include <hypernodes/library.hpp>

namespace {
const char another_core = 0;
void fill(hypernodes::Library&) {}
}  // namespace

extern "C" __attribute__((visibility("default"))) const hypernodes::detail::LibraryEntry*
hypernodes_library() {
#ifdef FOREIGN_ABI
  static const hypernodes::detail::LibraryEntry entry{
      hypernodes::detail::kLibraryAbi + 1, hypernodes::detail::core_address(), "foreign", fill};
#else
  static const hypernodes::detail::LibraryEntry entry{hypernodes::detail::kLibraryAbi,
                                                      &another_core, "foreign", fill};
#endif
  return &entry;
}
