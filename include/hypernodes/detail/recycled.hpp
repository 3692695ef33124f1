// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <new>
#include <utility>

namespace hypernodes::detail {

/// Memory for columns. Large blocks go through a pool, because fresh pages cost ten times the
/// arithmetic that fills them. Throws: std::bad_alloc. Threads: any may call either.
void* acquire_block(std::size_t bytes);
/// `bytes` as they were asked for.
void release_block(void* block, std::size_t bytes) noexcept;

/// Allocator of vectors whose memory becomes a column: from the pool, and resize() does not zero.
template <typename T>
struct Recycled {
  using value_type = T;

  Recycled() = default;
  template <typename U>
  Recycled(const Recycled<U>&) {}  // NOLINT(google-explicit-constructor): allocators convert

  T* allocate(std::size_t count) {
    if (count > static_cast<std::size_t>(-1) / sizeof(T)) throw std::bad_array_new_length();
    return static_cast<T*>(acquire_block(count * sizeof(T)));
  }
  void deallocate(T* block, std::size_t count) noexcept { release_block(block, count * sizeof(T)); }

  template <typename U>
  void construct(U* place) {
    ::new (static_cast<void*>(place)) U;
  }
  template <typename U, typename... Args>
  void construct(U* place, Args&&... args) {
    ::new (static_cast<void*>(place)) U(std::forward<Args>(args)...);
  }

  friend bool operator==(const Recycled&, const Recycled&) { return true; }
};

}  // namespace hypernodes::detail
