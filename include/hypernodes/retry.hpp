// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>

namespace hypernodes {

/// Which failed calls of a node are made again, and when.
struct Retry {
  using Seconds = std::chrono::duration<double>;

  int attempts = 3;       ///< The most calls for a row, the first included.
  Seconds delay{0.5};     ///< How long to wait after the first.
  double backoff = 2;     ///< Each further wait is so many times the one before.
  Seconds max_delay{60};  ///< No wait is longer, but for its jitter.
  double jitter = 0.1;    ///< Up to this part of a wait is added or taken off, at random.
  /// Whether a call that failed with this exception is made again; if empty, with any. Exceptions
  /// of another runtime that end a program never are.
  std::function<bool(const std::exception_ptr&)> on = nullptr;
};

/// For Retry::on: exceptions of these types, and of what derives from them.
/// `.on = errors_of<std::system_error, NodeTimeoutError>()`
template <typename... Errors>
std::function<bool(const std::exception_ptr&)> errors_of() {
  constexpr auto is_a = []<typename Error>(const std::exception_ptr& error, const Error*) {
    try {
      std::rethrow_exception(error);
    } catch (const Error&) {
      return true;
    } catch (...) {
      return false;
    }
  };
  return [is_a](const std::exception_ptr& error) {
    return (is_a(error, static_cast<const Errors*>(nullptr)) || ...);
  };
}

/// A call that failed and was made again.
struct RetriedCall {
  std::int64_t row = 0;      ///< Of the batch; -1: all, it was one call.
  std::int64_t attempt = 1;  ///< Which it was.
  double delay = 0;          ///< Seconds until the next.
  std::exception_ptr error = nullptr;
};

}  // namespace hypernodes
