// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/in_flight.hpp"
#include "cache/lmdb_environment.hpp"
#include "hypernodes/cache.hpp"
#include "hypernodes/digest.hpp"

namespace hypernodes {

/// What a cache allows a store that others may use with other bounds; 0: no bound.
struct LmdbBounds {
  std::uint64_t max_bytes = 0;
  std::chrono::seconds max_age{0};

  bool is_expired(std::string_view record) const;
  /// How many records a transaction may put or drop: each rewrites a page, which is free again only
  /// two transactions later, and until then adds to the file.
  std::uint64_t records_at_once() const { return max_bytes / kTransactionShare / kPageBytes; }
  /// What RecordTrees::live_bytes() may be, so that with the pages that a few transactions leave
  /// free the file stays near `max_bytes`.
  std::uint64_t max_live_bytes() const {
    return max_bytes - kTransactionsOnTop * (max_bytes / kTransactionShare);
  }

  static constexpr std::uint64_t kTransactionShare = 32;
  static constexpr std::uint64_t kTransactionsOnTop = 4;
  static constexpr std::uint64_t kPageBytes = 4096;
};

/// What this process did with a store.
struct LmdbCounters {
  std::atomic<std::uint64_t> hits{0}, misses{0}, stores{0}, evicted{0}, expired{0};
};

/// The records of one directory as this process sees them. DiskCache is a handle on it.
///
/// A process has one store per directory, since LMDB forbids opening a file twice. A forked child
/// that uses its copy opens the file anew, and leaves the parent's alone.
/// Threads: every function may be called from several threads at once.
class LmdbStore {
 public:
  /// The process's store for `directory`, opened if need be; `limits` count only then.
  /// Throws: CacheError if there is no such directory and it cannot be made.
  static std::shared_ptr<LmdbStore> open(const std::filesystem::path& directory,
                                         const LmdbLimits& limits = {});
  LmdbStore(const LmdbStore&) = delete;
  LmdbStore& operator=(const LmdbStore&) = delete;

  /// REQUIRES: `visit` does not use a store or cache on the same directory.
  void get_many(std::span<const Digest> keys, const Cache::Visitor& visit,
                const LmdbBounds& bounds = {});
  void put_many(std::span<const Digest> keys, std::span<const std::string_view> records,
                Durability durability, const LmdbBounds& bounds = {});
  void flush();
  std::uint64_t size();
  std::optional<std::vector<Digest>> keys_of(const NodePrefix& node, std::size_t most);

  // lmdb_maintenance.cpp: Cache's functions of these names.
  void clear(Durability durability);
  void clear_nodes(std::span<const NodePrefix> nodes, Durability durability);
  void gc(const LmdbBounds& bounds, Durability durability);
  /// `secret` is that of the pickled records that are the cache's own.
  CacheVerification verify(std::string_view secret, Durability durability);
  CacheStatistics statistics(const LmdbBounds& bounds);
  Absence absence(const Digest& key, const LmdbBounds& bounds);
  std::string note(std::string_view name);
  void put_note(std::string_view name, std::string_view text, Durability durability);

  std::string warning();
  const std::filesystem::path& directory() const { return directory_; }
  std::uint64_t map_bytes();
  detail::InFlight& in_flight() { return in_flight_; }

 private:
  struct Opened;
  struct Scan;
  enum class Access { kReadOne, kRead, kWrite };
  enum class Sync { kNow, kAtFlush, kWhenever };
  static Sync sync_of(Durability durability) {
    return durability == Durability::kCommit ? Sync::kNow : Sync::kAtFlush;
  }

  LmdbStore(std::filesystem::path directory, const LmdbLimits& limits);
  ~LmdbStore();
  static void release(LmdbStore* store);

  Opened& opened();
  void open_if_closed();
  bool open_again(Opened& opened, std::uint64_t generation);
  void reopen(Opened& opened);

  /// Works in a transaction, and commits it if it writes. Returns an LMDB code. May be called again
  /// after a failure, from the beginning.
  using Work = std::function<int(LmdbTransaction&, LmdbEnvironment&)>;
  bool transact(Access access, std::uint64_t bytes, const Work& work);
  int attempt(Opened& opened, Access access, const Work& work, std::uint64_t* generation);
  bool recover(Opened& opened, std::uint64_t generation, int error, std::uint64_t bytes);
  bool grow(Opened& opened, std::uint64_t bytes);
  int commit(LmdbTransaction& transaction, Sync sync);

  struct Chunk;
  bool put_chunk(const Chunk& chunk, Durability durability, const LmdbBounds& bounds);
  void start_writing();
  void write_touches();

  void evict(const LmdbBounds& bounds, Durability durability);
  void compact_journal(Durability durability);
  template <class Take>
  std::uint64_t in_steps(Durability durability, const Take& take);
  template <class Judge>
  Scan scan(Absence reason, Durability durability, const Judge& judge);
  LmdbCounters& counters();

  const std::filesystem::path directory_;
  const LmdbLimits limits_;
  detail::InFlight in_flight_;
  std::uint64_t owners_ = 0;  // of shared_ptrs made from this object; guarded by the registry
  std::atomic<Opened*> opened_{nullptr};
};

}  // namespace hypernodes
