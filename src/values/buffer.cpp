// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "hypernodes/column.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(block, bytes) ((void)(block), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(block, bytes) ((void)(block), (void)(bytes))
#endif

namespace hypernodes {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kSmallestRecycled = std::size_t{64} << 10;
constexpr std::size_t kLargestRecycled = std::size_t{128} << 20;
constexpr std::size_t kMaxIdle = std::size_t{256} << 20;
constexpr std::size_t kClassesPerDoubling = 4;
constexpr std::size_t kClasses =
    kClassesPerDoubling * (std::bit_width(kLargestRecycled / kSmallestRecycled) - 1) + 1;

bool recycled(std::size_t bytes) { return bytes >= kSmallestRecycled && bytes <= kLargestRecycled; }

/// Four classes for each doubling: at most a fifth of a block is unused.
std::size_t class_of(std::size_t bytes) {
  const std::size_t units = bytes - 1;
  const auto doubling = static_cast<std::size_t>(std::bit_width(units / kSmallestRecycled));
  if (doubling == 0) return 0;
  const std::size_t base = kSmallestRecycled << (doubling - 1);
  return (doubling - 1) * kClassesPerDoubling + (units - base) / (base / kClassesPerDoubling) + 1;
}

std::size_t class_bytes(std::size_t index) {
  if (index == 0) return kSmallestRecycled;
  const std::size_t base = kSmallestRecycled << ((index - 1) / kClassesPerDoubling);
  return base + base / kClassesPerDoubling * ((index - 1) % kClassesPerDoubling + 1);
}

void* fresh(std::size_t bytes) {
  const std::size_t whole = (std::max<std::size_t>(bytes, 1) + kAlignment - 1) & ~(kAlignment - 1);
  if (whole < bytes) throw std::bad_alloc();
  void* block = std::aligned_alloc(kAlignment, whole);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

/// Idle blocks by size class. Threads: any.
class Pool {
 public:
  void* take(std::size_t bytes) {
    const std::size_t index = class_of(bytes);
    const std::size_t size = class_bytes(index);
    {
      const std::lock_guard lock(mutex_);
      Class& own = classes_[index];
      own.last_use = ++clock_;
      if (!own.idle.empty()) {
        void* block = own.idle.back();
        own.idle.pop_back();
        idle_bytes_ -= size;
        ASAN_UNPOISON_MEMORY_REGION(block, size);
        return block;
      }
    }
    return fresh(size);
  }

  void give(void* block, std::size_t bytes) noexcept try {
    const std::size_t index = class_of(bytes);
    const std::size_t size = class_bytes(index);
    const std::lock_guard lock(mutex_);
    Class& own = classes_[index];
    own.last_use = ++clock_;
    own.idle.push_back(block);
    idle_bytes_ += size;
    ASAN_POISON_MEMORY_REGION(block, size);
    while (idle_bytes_ > kMaxIdle) drop_one();
  } catch (const std::bad_alloc&) {
    std::free(block);
  }

 private:
  struct Class {
    std::vector<void*> idle;
    std::uint64_t last_use = 0;
  };

  /// Frees a block of the class that nobody has used for longest.
  void drop_one() noexcept {
    std::size_t oldest = kClasses;
    for (std::size_t i = 0; i < kClasses; ++i) {
      if (classes_[i].idle.empty()) continue;
      if (oldest == kClasses || classes_[i].last_use < classes_[oldest].last_use) oldest = i;
    }
    void* block = classes_[oldest].idle.back();
    classes_[oldest].idle.pop_back();
    idle_bytes_ -= class_bytes(oldest);
    ASAN_UNPOISON_MEMORY_REGION(block, class_bytes(oldest));
    std::free(block);
  }

  std::mutex mutex_;
  std::array<Class, kClasses> classes_;
  std::size_t idle_bytes_ = 0;
  std::uint64_t clock_ = 0;
};

/// Never destroyed: a thread of a host (Daft, Python) may free the last column after this library's
/// static objects are gone.
Pool& pool() {
  static Pool* const instance = new Pool;
  return *instance;
}

}  // namespace

namespace detail {

void* acquire_block(std::size_t bytes) {
  if (bytes < kSmallestRecycled) {
    // malloc is twice as fast as aligned_alloc, and small vectors are made in great numbers.
    void* block = std::malloc(std::max<std::size_t>(bytes, 1));
    if (block == nullptr) throw std::bad_alloc();
    return block;
  }
  return recycled(bytes) ? pool().take(bytes) : fresh(bytes);
}

void release_block(void* block, std::size_t bytes) noexcept {
  if (recycled(bytes)) {
    pool().give(block, bytes);
  } else {
    std::free(block);
  }
}

}  // namespace detail

Buffer Buffer::allocate(std::size_t bytes) {
  if (bytes < kSmallestRecycled) {
    // One malloc for the bytes and their owner; aligned_alloc would make it two slow ones.
    const auto owner = std::make_shared_for_overwrite<std::byte[]>(bytes + kAlignment - 1);
    const auto address = reinterpret_cast<std::uintptr_t>(owner.get());
    return {owner.get() + (-address & (kAlignment - 1)), bytes, owner};
  }
  void* block = detail::acquire_block(bytes);
  return {block, bytes, std::shared_ptr<const void>(block, [bytes](void* p) {
            detail::release_block(p, bytes);
          })};
}

}  // namespace hypernodes
