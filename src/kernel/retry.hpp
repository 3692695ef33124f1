// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <optional>

#include "hypernodes/retry.hpp"

// When failed calls are made again.
namespace hypernodes {

/// Throws: PlanError for values that make no sense.
void check(const Retry& retry);

/// How many seconds to wait before the next call after `made` of them, the last of which failed
/// with `error`; nothing if that is final. `retry` may be null.
std::optional<double> next_attempt(const Retry* retry, const std::exception_ptr& error,
                                   std::int64_t made);

/// Waits that long, or until `stopped`, which is asked twenty times a second. The object runtime's
/// lock is given up. Throws: what a signal's handler does.
void wait_for_attempt(double seconds, const std::function<bool()>& stopped = nullptr);

}  // namespace hypernodes
