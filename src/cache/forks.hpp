// SPDX-License-Identifier: MIT
#pragma once

namespace hypernodes {

/// How many forks lie between this process and the one that began: tells a child from its parent,
/// and is cheaper to ask than getpid(). Threads: any.
int forks();

}  // namespace hypernodes
