// SPDX-License-Identifier: MIT
#pragma once

namespace hypernodes {

/// Has the system begin to write what a file was given, in a thread of its own, since finding the
/// pages takes 0.2 s a gigabyte. Failures are not told.
void start_write_back(int file);

}  // namespace hypernodes
