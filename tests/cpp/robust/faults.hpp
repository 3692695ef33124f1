// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>

/// System calls that fail when a test says so. This program's own open, pwrite and so on are found
/// before those of the C library, by LMDB too; without a fault they only pass on.
namespace hypernodes::faults {

enum class Kind {
  kNone,     ///< Only count.
  kKill,     ///< The process is killed: before the call, but half-way through a write's pages.
  kFail,     ///< The call fails.
  kFailOn,   ///< It fails, and all after it.
  kShortOn,  ///< A write stops half-way, and all calls after it that need space fail.
};

/// A fault at the `at`-th call, counting from 1, that has to do with files under `root`.
struct Fault {
  Kind kind = Kind::kNone;
  int error = 0;  ///< An errno code.
  std::uint64_t at = 0;
};

/// Counts from now on. Threads: one.
void arm(const std::filesystem::path& root, const Fault& fault);
/// Ends it, and gives the number of calls since.
std::uint64_t disarm();

}  // namespace hypernodes::faults
