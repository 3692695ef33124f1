// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace hypernodes::detail {

/// The secret under which records with pickled objects carry a MAC (docs/formats/record.md), and
/// whether a cache takes such records at all.
///
/// It is given, or the user's own: 32 random bytes in a file outside every cache, made when first
/// needed. A file that others can read or write, or that is not the user's, is refused.
/// Threads: every function may be called from several at once; so may processes, which agree on
/// one file.
class PickleKey {
 public:
  static constexpr std::size_t kLeast = 16;  ///< Bytes of a given secret.

  /// What a cache uses that was given `secret` or nothing: then the variable HYPERNODES_PICKLE_KEY,
  /// else the user's file, $XDG_DATA_HOME/hypernodes/pickle.key.
  /// Throws: CacheError for a secret of fewer than kLeast bytes.
  static std::unique_ptr<PickleKey> choose(const std::optional<std::string>& secret);
  /// A secret that nobody else has: for records that do not leave the process.
  static std::unique_ptr<PickleKey> ephemeral();
  /// That of a cache that does not allow pickles.
  static std::unique_ptr<PickleKey> not_allowed();
  /// None: pickles are neither written nor read, for the reason `why`.
  static std::unique_ptr<PickleKey> none(std::string why);

  ~PickleKey() { delete secret_.load(std::memory_order_relaxed); }
  PickleKey(const PickleKey&) = delete;
  PickleKey& operator=(const PickleKey&) = delete;

  /// The secret to read by; empty if there is none yet. The bytes live as long as this object.
  std::string_view for_reading() { return find(/*make=*/false, nullptr); }
  /// The secret to write by, made if need be; empty if it cannot be used, with the reason in `why`.
  std::string_view for_writing(std::string* why) { return find(/*make=*/true, why); }

 private:
  PickleKey(std::string secret, std::string file, std::string refusal);
  std::string_view find(bool make, std::string* why);
  std::string_view publish(std::string secret);

  /// Null until it is known; never changes then. No mutex: a forked child could inherit it locked.
  std::atomic<const std::string*> secret_{nullptr};
  const std::string file_;     ///< Where it is; empty if it is in no file.
  const std::string refusal_;  ///< Why there is none, if that is known from the start.
};

}  // namespace hypernodes::detail
