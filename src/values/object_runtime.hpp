// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include "hypernodes/column.hpp"
#include "hypernodes/value.hpp"

namespace hypernodes::detail {

/// How the core handles objects that only another runtime (Python) can open. `object` is a
/// reference of that runtime. Threads: every function may be called from any thread; those that
/// touch objects take the runtime's lock themselves.
struct ObjectRuntime {
  void (*retain)(void* object) noexcept;
  void (*release)(void* object) noexcept;
  /// Releases many under one lock.
  void (*release_many)(const Value* values, std::size_t count) noexcept;
  /// Appends the value encoding (codec.hpp) of `object`. False if it has none; `*unordered` is set
  /// if it holds a map or set, whose canonical form differs.
  bool (*encode)(void* object, bool canonical, std::string& out, bool* unordered);
  /// Why this thread's last `encode` failed, in words for a warning.
  std::string (*refusal)();
  /// The object for `encoded`. False if the bytes are not a valid encoding.
  bool (*decode)(std::string_view encoded, Value* out);
  /// Appends the pickle of `value`, an object or what holds some. False, with nothing appended and
  /// the reason in `why`, if it has none that another process could open.
  bool (*pickle)(const Value& value, std::string& out, std::string* why);
  /// The object for `pickle`. It may run any code: only for bytes whose MAC was verified. False if
  /// they cannot be opened, because a class is gone for instance.
  bool (*unpickle)(std::string_view pickle, Value* out);
  /// Opens `object` as `type`. Throws: TypeError.
  Value (*cast)(void* object, const Type& type);
  /// Opens a batch of object values (or values of any kind) as `type`. Throws: TypeError.
  Column (*cast_many)(const Value* values, std::int64_t rows, const Type& type);
  /// Whether code of the runtime may change `object`, or what it holds, in place.
  bool (*may_change)(void* object) noexcept;
  bool (*equal)(void* a, void* b);
  std::string (*repr)(void* object);
  /// Gives up this thread's hold of the runtime's lock, if it has it, during a long native
  /// operation; the result goes back to restore().
  void* (*suspend)() noexcept;
  void (*restore)(void* token) noexcept;
  /// Whether `error` is one of the runtime's that ends a program rather than that a call failed.
  bool (*ends_program)(const std::exception_ptr& error);
  /// Adds a line to what `error`, one of the runtime's, says of itself.
  void (*add_note)(const std::exception_ptr& error, const std::string& text);
  /// Runs the handlers of signals that came, if this is the thread for that. Throws: what they do.
  void (*check_signals)();
};

/// Installed once, before any object exists; null in a program without such a runtime.
void install(const ObjectRuntime* runtime);
const ObjectRuntime* object_runtime();

/// Whether values of this type may hold an object of another runtime.
bool holds_objects(const Type& type);

/// Whether a node of another runtime that is given this value may change it in place: it is an
/// object that can change, or holds one. Cost of a column: up to the first such row.
bool may_change(const Value& value);
bool may_change(const Column& column);

/// Lets other threads use the object runtime while this one computes natively.
class Suspended {
 public:
  Suspended() : runtime_(object_runtime()), token_(runtime_ ? runtime_->suspend() : nullptr) {}
  ~Suspended() {
    if (token_ != nullptr) runtime_->restore(token_);
  }
  Suspended(const Suspended&) = delete;
  Suspended& operator=(const Suspended&) = delete;

 private:
  const ObjectRuntime* runtime_;
  void* token_;
};

}  // namespace hypernodes::detail
