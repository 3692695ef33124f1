// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace hypernodes::detail {

/// Memory for columns. Large blocks go through a pool, because fresh pages cost ten times the
/// arithmetic that fills them. Throws: std::bad_alloc. Threads: any may call either.
void* acquire_block(std::size_t bytes);
/// `bytes` as they were asked for.
void release_block(void* block, std::size_t bytes) noexcept;

/// An allocator over these blocks, for what is large and made anew for every batch.
template <typename T>
struct Recycler {
  using value_type = T;
  Recycler() = default;
  template <typename U>
  Recycler(const Recycler<U>&) {}  // NOLINT(google-explicit-constructor): as allocators convert
  T* allocate(std::size_t count) { return static_cast<T*>(acquire_block(count * sizeof(T))); }
  void deallocate(T* block, std::size_t count) noexcept { release_block(block, count * sizeof(T)); }
  friend bool operator==(const Recycler&, const Recycler&) { return true; }
};
template <typename T>
using RecycledVector = std::vector<T, Recycler<T>>;

/// A growing array whose memory becomes part of a column without a copy. Unlike std::vector it
/// leaves new elements as they are and moves them in one piece.
template <typename T>
class Growing {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Growing() = default;
  Growing(Growing&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Growing& operator=(Growing&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  ~Growing() {
    if (data_ != nullptr) release_block(data_, capacity_ * sizeof(T));
  }

  T* data() { return data_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& back() { return data_[size_ - 1]; }

  /// Grows at least by half, so that many small reserves stay linear.
  void reserve(std::size_t size) {
    if (size > capacity_) grow(std::max({size, capacity_ + capacity_ / 2, 64 / sizeof(T)}));
  }
  void push_back(T value) {
    reserve(size_ + 1);
    data_[size_++] = value;
  }
  /// Adds `count` elements, which the caller fills.
  T* extend(std::size_t count) {
    reserve(size_ + count);
    size_ += count;
    return data_ + size_ - count;
  }
  void append(const void* from, std::size_t count) {
    T* to = extend(count);
    if (count > 0) std::memcpy(to, from, count * sizeof(T));
  }
  /// REQUIRES: no more than there are.
  void shrink(std::size_t size) { size_ = size; }

  /// The elements, for whoever holds the pointer. This array is empty then.
  std::shared_ptr<const void> release() {
    // Given up first: if the owner cannot be made, it has freed the block all the same.
    void* const block = std::exchange(data_, nullptr);
    const std::size_t bytes = std::exchange(capacity_, 0) * sizeof(T);
    size_ = 0;
    return {block, [bytes](void* held) { release_block(held, bytes); }};
  }

 private:
  void grow(std::size_t capacity) {
    auto* data = static_cast<T*>(acquire_block(capacity * sizeof(T)));
    if (data_ != nullptr) {
      std::memcpy(data, data_, size_ * sizeof(T));
      release_block(data_, capacity_ * sizeof(T));
    }
    data_ = data;
    capacity_ = capacity;
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace hypernodes::detail
