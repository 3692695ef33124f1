// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>

namespace hypernodes {

/// Counts the calls of nodes that may have changed values in place: a digest of such a value is
/// that of a time by this clock. There is one for the process, since runs may share values.
/// Threads: safe.
class ChangeClock {
 public:
  static std::uint64_t now() { return ended_.load(std::memory_order_acquire); }

  /// From here on, as one thread sees it.
  class Span {
   public:
    /// The time at which it began.
    std::uint64_t began() const { return began_; }
    /// Whether no other thread has been in such a call since.
    bool alone() const {
      // First: a call that is not seen running, and began before, is seen to have ended.
      if (running_.load(std::memory_order_acquire) != own_running_) return false;
      return now() - began_ == own_ended_ - own_then_;
    }

   private:
    std::uint64_t began_ = now();
    std::uint64_t own_then_ = own_ended_;
  };

  /// A call of this thread, which may change values if `changes`.
  class Call {
   public:
    explicit Call(bool changes) : running_here_(changes) {
      if (!changes) return;
      ++own_running_;
      running_.fetch_add(1, std::memory_order_acq_rel);
    }
    ~Call() { end(); }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    /// The time at which it began.
    std::uint64_t began() const { return span_.began(); }
    /// Ends it. Says whether its arguments changed by itself alone, if they did.
    bool end() {
      if (!running_here_) return true;
      running_here_ = false;
      ++own_ended_;
      // acq_rel: pairs with now() of those who digest what the call left.
      ended_.fetch_add(1, std::memory_order_acq_rel);
      running_.fetch_sub(1, std::memory_order_acq_rel);
      --own_running_;
      return span_.alone();
    }

   private:
    Span span_;
    bool running_here_;
  };

 private:
  static inline std::atomic<std::uint64_t> ended_{1};
  static inline std::atomic<std::uint64_t> running_{0};
  static inline thread_local std::uint64_t own_ended_ = 0;    ///< Of this thread's.
  static inline thread_local std::uint64_t own_running_ = 0;  ///< Of this thread's.
};

}  // namespace hypernodes
