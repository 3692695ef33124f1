// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "cache/lmdb_environment.hpp"
#include "hypernodes/cache.hpp"
#include "hypernodes/digest.hpp"

namespace hypernodes {

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
  void get_many(std::span<const Digest> keys, const Cache::Visitor& visit);
  void put_many(std::span<const Digest> keys, std::span<const std::string_view> records,
                Durability durability);
  void clear(Durability durability);
  void flush();
  std::uint64_t size();

  std::string warning();
  const std::filesystem::path& directory() const { return directory_; }
  std::uint64_t map_bytes();

 private:
  struct Opened;
  enum class Access { kRead, kWrite };

  LmdbStore(std::filesystem::path directory, const LmdbLimits& limits);
  ~LmdbStore();
  static void release(LmdbStore* store);

  Opened& opened();
  void open_if_closed();
  bool open_again(Opened& opened, std::uint64_t generation);
  void reopen(Opened& opened);
  template <class Work>
  bool transact(Access access, std::uint64_t bytes, Work work);
  bool recover(Opened& opened, std::uint64_t generation, int error, std::uint64_t bytes);
  bool grow(Opened& opened, std::uint64_t bytes);
  int commit(LmdbTransaction& transaction, Opened& opened, Durability durability);

  const std::filesystem::path directory_;
  const LmdbLimits limits_;
  std::uint64_t owners_ = 0;  // of shared_ptrs made from this object; guarded by the registry
  std::atomic<Opened*> opened_{nullptr};
};

}  // namespace hypernodes
