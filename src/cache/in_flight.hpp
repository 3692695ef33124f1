// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hypernodes/digest.hpp"

namespace hypernodes::detail {

/// While one lives, its thread waits for nobody's result: others may be waiting for what it does.
class Engaged {
 public:
  Engaged();
  ~Engaged();
  Engaged(const Engaged&) = delete;
  Engaged& operator=(const Engaged&) = delete;
  static bool now();
};

/// Marks this thread as one of a pool that others need, too. It waits for threads of pools only:
/// anybody else may itself be waiting for a thread of the pool.
class Pooled {
 public:
  Pooled();
  ~Pooled();
  Pooled(const Pooled&) = delete;
  Pooled& operator=(const Pooled&) = delete;
};

/// What runs of this process have in work for one store: which thread computes a result, and the
/// records of finished results that the store does not have yet.
///
/// A result is claimed by the thread that is about to compute it, published when its record is
/// made, and forgotten when the store has it. Whoever needs it meanwhile waits, and takes the
/// record. All of it is advice that saves work: nobody has to claim what it publishes.
///
/// A thread that holds a claim never waits, so claims alone cannot make a circle. A thread may hold
/// something else that the owner of a claim needs, a lock of the user's: so patience ends.
/// A forked child has an empty table: the threads of the parent's claims are not there.
/// Threads: every function may be called from several threads at once. Cost: 20 to 50 ns.
class InFlight {
 public:
  /// How long one waits for a single result before computing it after all.
  static constexpr std::chrono::milliseconds kPatience = std::chrono::minutes{5};

  explicit InFlight(std::chrono::milliseconds patience = kPatience) : patience_(patience) {}
  ~InFlight();
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

  enum class Answer : std::uint8_t {
    kClaimed,   ///< Nobody had it: it is the caller's now.
    kFinished,  ///< Here is its record.
    kRunning,   ///< A thread runs it that can be waited for.
    kRefused,   ///< A thread runs it that must not be waited for.
  };

  /// Results that one thread computes. Threads: one.
  class Claims {
   public:
    explicit Claims(InFlight& table) : table_(table) {}
    ~Claims() { release(); }
    Claims(const Claims&) = delete;
    Claims& operator=(const Claims&) = delete;

    Answer claim(const Digest& key, std::string& record);
    /// `key` was published. Those that are told in the order of claims need not be released.
    void published(const Digest& key) {
      if (settled_ < keys_.size() && keys_[settled_] == key) ++settled_;
    }
    /// Gives up the last claim.
    void drop();
    /// Gives up what was not published: whoever waits for it computes it.
    void release();

   private:
    InFlight& table_;
    std::vector<Digest> keys_;
    std::size_t settled_ = 0;
    std::optional<Engaged> engaged_;  ///< While there are any.
  };

  /// Has the memory that is asked for `key` on its way before it is: the table is larger than the
  /// processor's cache.
  void fetch(const Digest& key);

  /// Copies the record of a finished result. False if there is none.
  bool find(const Digest& key, std::string& record);

  /// Waits until nobody runs `key`; the object runtime's lock is given up. False when patience has
  /// ended. REQUIRES: not Engaged::now(). Throws: what a signal's handler does.
  bool wait(const Digest& key);

  /// Whoever waits for `key`, or asks for it from now on, gets `record`, which stays where it is
  /// until `owner` forgets it. The first one who publishes a key is the one who is asked.
  void publish(const Digest& key, const void* owner, std::string_view record);

  /// The store has the records of `owners` now, or will never have them: these are all of them.
  void forget(std::span<const Digest> keys, std::span<const void* const> owners);

  /// How often records were forgotten: who did not find a key in the store, and then not here,
  /// looks again if that has changed in between.
  std::uint64_t forgotten();

 private:
  struct Shard;
  struct State;

  State& state();
  void release(const Digest& key, const void* claimant);

  const std::chrono::milliseconds patience_;
  std::atomic<State*> state_{nullptr};
};

}  // namespace hypernodes::detail
