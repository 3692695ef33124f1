// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hypernodes/digest.hpp"

namespace hypernodes {

namespace detail {
class InFlight;
class PickleKey;
}  // namespace detail

/// What a cache holds, and what this process did with it since it opened it.
struct CacheStatistics {
  std::uint64_t records = 0;    ///< How many are there.
  std::uint64_t bytes = 0;      ///< What they take, with what finds them.
  std::uint64_t max_bytes = 0;  ///< What they may take; 0 if there is no bound.
  std::uint64_t hits = 0;       ///< Look-ups that found a record.
  std::uint64_t misses = 0;     ///< Look-ups that did not.
  std::uint64_t stores = 0;     ///< Records put.
  std::uint64_t evicted = 0;    ///< Records dropped because others needed their place.
  std::uint64_t expired = 0;    ///< Records dropped because they were too old.
};

/// What Cache::verify found.
struct CacheVerification {
  std::uint64_t records = 0;  ///< How many were read.
  std::uint64_t damaged = 0;  ///< How many of them were not what had been put, and were dropped.
  /// How many are pickles signed with a key that this cache does not have: misses here, but perhaps
  /// somebody else's results. They stay.
  std::uint64_t foreign = 0;
};

/// Why a record is not there.
enum class Absence : std::uint8_t {
  kNeverStored,  ///< As far as is known.
  kEvicted,      ///< It was, until others needed its place.
  kExpired,      ///< It is too old, or was.
};

/// The first bytes of the keys of all records of a node (docs/formats/keys.md).
using NodePrefix = std::array<std::uint8_t, 8>;

/// Where results are kept between runs: a map from key to record (docs/formats/record.md).
///
/// Implement the two pure functions to bring a store of your own. A cache moves bytes only: the
/// kernel makes the keys, and verifies every record it gets back, so a cache that returns wrong
/// bytes costs time, never a wrong answer.
/// Threads: every function may be called from several threads at once.
/// Errors:  a cache that fails reports through `warning()` and behaves as if it were empty; only
///          opening one may throw (CacheError).
class Cache {
 public:
  /// Receives the record of `keys[index]`. The bytes are valid during the call only, which must not
  /// use the cache itself.
  using Visitor = std::function<void(std::size_t index, std::string_view record)>;

  Cache();
  Cache(const Cache&) = default;
  Cache& operator=(const Cache&) = default;
  virtual ~Cache() = default;

  /// Calls `visit` once for each key that is present, in any order.
  virtual void get_many(std::span<const Digest> keys, const Visitor& visit) = 0;

  /// Stores `records[i]` under `keys[i]`; a later put of the same key replaces it. When it returns,
  /// every process and thread sees them.
  virtual void put_many(std::span<const Digest> keys,
                        std::span<const std::string_view> records) = 0;

  /// Forgets everything.
  virtual void clear() = 0;

  /// Makes what was put durable (survives a power loss).
  virtual void flush() {}

  /// Why the cache could not do its work (full disk, no permission) since it last could, or empty.
  /// Asked after every look-up and put of a run, which is then degraded (Statistics).
  virtual std::string warning() const { return {}; }

  /// Forgets the records of these nodes. Cost: a store that does not keep keys in order reads all.
  virtual void clear_nodes(std::span<const NodePrefix> /*nodes*/) {}

  /// Drops records that are too old, and those that were not used for longest while there are more
  /// than allowed. Readers go on meanwhile.
  virtual void gc() {}

  /// Reads every record and drops those that are damaged. Readers and writers go on meanwhile.
  virtual CacheVerification verify() { return {}; }

  virtual CacheStatistics statistics() { return {}; }

  /// The keys of all records of a node, for whoever is about to look for many, one by one. nullopt
  /// if they are more than `most`, or if this cache does not find them quickly.
  virtual std::optional<std::vector<Digest>> keys_of(const NodePrefix& /*node*/,
                                                     std::size_t /*most*/) {
    return std::nullopt;
  }

  /// Why get_many() finds nothing for `key`. REQUIRES: it does not.
  virtual Absence absence(const Digest& /*key*/) { return Absence::kNeverStored; }

  /// What was last put under `name` by put_note(), else empty: a few facts about nodes, not
  /// results, that explain() and clear by name need. A cache may keep none.
  virtual std::string note(std::string_view /*name*/) { return {}; }
  virtual void put_note(std::string_view /*name*/, std::string_view /*text*/) {}

  /// What signs the records of objects that only pickle can encode; null (the default): this cache
  /// keeps no such results.
  virtual detail::PickleKey* pickle_key() { return nullptr; }

  /// What this process's runs are computing for this cache, so that each result is computed once:
  /// the others wait. By default copies of a cache share it; a cache that is one of several handles
  /// on the same store returns the store's.
  virtual detail::InFlight& in_flight() { return *in_flight_; }

  /// Tells the caches of this process apart, those that are no more, too. Copies have the same.
  std::uint64_t id() const { return id_; }

 private:
  static std::uint64_t next_id();

  std::uint64_t id_ = next_id();
  std::shared_ptr<detail::InFlight> in_flight_;
};

/// How hard a DiskCache tries to survive a power loss. A killed process loses nothing that was put
/// in any mode.
enum class Durability {
  kFlush,   ///< Synced by flush(), which every map calls at its end (the default).
  kCommit,  ///< Synced at every put_many.
};

struct DiskCacheOptions {
  Durability durability = Durability::kFlush;
  /// Whether results are kept, and read, that only Python's pickle can encode.
  bool allow_pickle = true;
  /// The secret that such records carry a MAC by; whoever knows it and can write into the directory
  /// can run code here. Without one: that of the variable HYPERNODES_PICKLE_KEY, else the user's
  /// own, from a file (docs/guide/cache.md).
  std::optional<std::string> pickle_key = {};
  /// What the cache may take, about what its file takes; 0: no bound, else at least kLeastBytes.
  /// Beyond it, those that were not used for longest are dropped.
  std::uint64_t max_bytes = 0;
  /// How long a record is a hit after it was stored; 0: for ever.
  std::chrono::seconds max_age{0};

  static constexpr std::uint64_t kLeastBytes = std::uint64_t{1} << 20;
};

/// Results in a directory on a local disk, in one LMDB file shared by any number of threads and
/// processes. Copies share the open file; a directory is open once in a process, whoever asks.
///
/// Errors: the constructor throws CacheError if `directory` cannot be made or opened, for a pickle
///         key of fewer than 16 bytes, and for a bound that makes no sense. A damaged file is set
///         aside as `records.mdb.damaged-<n>` and a new one begun.
/// Cost:   a batch of sorted keys is one pass: 0.3 to 1 us a record.
class DiskCache final : public Cache {
 public:
  explicit DiskCache(const std::filesystem::path& directory, DiskCacheOptions options = {});

  void get_many(std::span<const Digest> keys, const Visitor& visit) override;
  void put_many(std::span<const Digest> keys, std::span<const std::string_view> records) override;
  void clear() override;
  void flush() override;
  std::string warning() const override;
  void clear_nodes(std::span<const NodePrefix> nodes) override;
  void gc() override;
  CacheVerification verify() override;
  CacheStatistics statistics() override;
  std::optional<std::vector<Digest>> keys_of(const NodePrefix& node, std::size_t most) override;
  Absence absence(const Digest& key) override;
  std::string note(std::string_view name) override;
  void put_note(std::string_view name, std::string_view text) override;
  detail::PickleKey* pickle_key() override;
  detail::InFlight& in_flight() override;

  const std::filesystem::path& directory() const;
  const DiskCacheOptions& options() const;
  /// Number of records. Cost: constant.
  std::uint64_t size() const;

 private:
  class Environment;
  std::shared_ptr<Environment> environment_;
};

struct MemoryCacheOptions {
  /// What the records may take, with what finds them; 0: no bound. Beyond it, those that were not
  /// used for longest are dropped. One that is larger by itself is not kept.
  std::uint64_t max_bytes = 0;
  /// How long a record is a hit after it was stored; 0: for ever.
  std::chrono::seconds max_age{0};
  /// Whether results are kept that only Python's pickle can encode.
  bool allow_pickle = true;
};

/// Results in this process's memory, gone when it ends. Copies share them. A forked child has a
/// copy of its own.
///
/// Errors: the constructor throws CacheError for a negative age.
/// Cost:   at 10^6 records, 0.3 to 0.5 us a hit in batches, 1 to 2 us a put, and 130 bytes a record
///         beside its own; clear_nodes() and verify() read all.
class MemoryCache final : public Cache {
 public:
  explicit MemoryCache(MemoryCacheOptions options = {});

  /// A record that is dropped or replaced while it is visited stays valid until then.
  void get_many(std::span<const Digest> keys, const Visitor& visit) override;
  void put_many(std::span<const Digest> keys, std::span<const std::string_view> records) override;
  void clear() override;
  void clear_nodes(std::span<const NodePrefix> nodes) override;
  void gc() override;
  CacheVerification verify() override;
  CacheStatistics statistics() override;
  Absence absence(const Digest& key) override;
  std::string note(std::string_view name) override;
  void put_note(std::string_view name, std::string_view text) override;
  std::string warning() const override;
  detail::PickleKey* pickle_key() override;

  const MemoryCacheOptions& options() const;
  /// Number of records. Cost: constant.
  std::uint64_t size() const;

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace hypernodes
