// SPDX-License-Identifier: MIT
#pragma once

#include <lmdb.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "hypernodes/digest.hpp"

namespace hypernodes {

/// Sizes of an LMDB store, in bytes. Tests make them small.
struct LmdbLimits {
  std::uint64_t initial_map = std::uint64_t{1} << 30;  ///< Address space only, the file is sparse.
  std::uint64_t max_map = std::uint64_t{1} << 40;
  std::uint64_t max_transaction = std::uint64_t{128} << 20;  ///< More is split; bounds the memory.
  /// A file up to this size is checked page by page whenever its first process opens it.
  std::uint64_t always_check = std::uint64_t{16} << 20;
};

/// The trees of a file (docs/formats/record.md). `main` holds the names of the others, and one
/// value.
struct LmdbTrees {
  MDB_dbi main{}, records{}, rests{}, uses{}, gone{}, notes{};
};

/// One LMDB file that this process has open, and what is needed to notice that it was tampered
/// with.
///
/// The directory holds `records.mdb`, LMDB's own `records.mdb-lock`, `records.mdb.boot` (the boot
/// in which every page was last known to be sound) and, after damage, `records.mdb.damaged-<n>`.
/// REQUIRES: at most one object per file in a process, used by the process that opened it only.
class LmdbEnvironment {
 public:
  /// Opens the store in `directory`, and makes both if they are missing. A damaged file is set
  /// aside first. Null if it cannot be opened; `notice` then says why, and otherwise whatever the
  /// user should know.
  static std::unique_ptr<LmdbEnvironment> open(const std::filesystem::path& directory,
                                               const LmdbLimits& limits, std::string* notice);
  ~LmdbEnvironment();
  LmdbEnvironment(const LmdbEnvironment&) = delete;
  LmdbEnvironment& operator=(const LmdbEnvironment&) = delete;

  MDB_env* get() const { return env_; }
  const LmdbTrees& trees() const { return trees_; }
  /// False in a read-only store that nobody has written to.
  bool has_trees() const { return has_trees_; }
  bool read_only() const { return read_only_; }
  std::uint64_t map_bytes() const { return map_bytes_; }

  enum class Health {
    kSound,
    kReplaced,  ///< Another file is in its place, or none.
    kShort,     ///< It ends before its last used page: touching that page may kill the process.
  };
  /// To be asked before each transaction. Cost: two stat() calls, about 1.5 us.
  Health health() const;
  /// The same for the read of a single record, which is cheaper than that: trusts a check of the
  /// last millisecond. Threads: any.
  Health recent_health() const;

  /// Whether the file is damaged, with the `reason`. Blocks writers in all processes, and repairs
  /// a file whose only fault is that unused pages at its end were never written.
  /// REQUIRES: no transaction of this process is open.
  bool is_damaged(std::string* reason);

  /// Whether permissions would let this process write, had it opened the store now.
  bool may_write() const;

  /// Renames the file, unless that has been done already. False and a `notice` if it cannot be.
  static bool set_aside(const std::filesystem::path& directory, dev_t device, ino_t inode,
                        const std::string& reason, std::string* notice);
  bool set_aside(const std::string& reason, std::string* notice) const;

  /// Maps at least `bytes`, and at least what the file uses. An LMDB or errno code.
  /// REQUIRES: no transaction of this process is open.
  int resize_map(std::uint64_t bytes);

 private:
  struct Identity {
    dev_t device{};
    ino_t inode{};
    off_t bytes{};
  };

  LmdbEnvironment(std::filesystem::path directory, const LmdbLimits& limits);
  int open_file(std::uint64_t used_bytes, std::uint64_t file_bytes, unsigned flags);
  int open_trees();
  int open_trees(MDB_txn* transaction, unsigned flags);
  bool has_damage(std::string* reason);

  std::filesystem::path directory_;
  LmdbLimits limits_;
  std::string data_path_, lock_path_;
  MDB_env* env_ = nullptr;
  LmdbTrees trees_;
  bool has_trees_ = false;
  bool read_only_ = false;
  bool locking_ = true;
  std::uint64_t map_bytes_{};
  std::uint64_t page_bytes_{};
  std::uint64_t tolerated_used_bytes_{};
  Identity data_, lock_;
  mutable std::atomic<std::int64_t> sound_until_{};  ///< On the steady clock, in ns.
};

/// An LMDB transaction that is aborted unless it is committed.
class LmdbTransaction {
 public:
  LmdbTransaction() = default;
  ~LmdbTransaction() { abort(); }
  LmdbTransaction(const LmdbTransaction&) = delete;
  LmdbTransaction& operator=(const LmdbTransaction&) = delete;

  int begin(MDB_env* env, unsigned flags) { return mdb_txn_begin(env, nullptr, flags, &handle_); }
  int commit() { return mdb_txn_commit(std::exchange(handle_, nullptr)); }
  void abort() {
    if (handle_ != nullptr) mdb_txn_abort(std::exchange(handle_, nullptr));
  }
  MDB_txn* get() const { return handle_; }

 private:
  MDB_txn* handle_ = nullptr;
};

/// REQUIRES: that of a writing transaction is closed before that ends.
class LmdbCursor {
 public:
  LmdbCursor() = default;
  ~LmdbCursor() { close(); }
  LmdbCursor(const LmdbCursor&) = delete;
  LmdbCursor& operator=(const LmdbCursor&) = delete;

  int open(MDB_txn* transaction, MDB_dbi tree) {
    return mdb_cursor_open(transaction, tree, &handle_);
  }
  void close() {
    if (handle_ != nullptr) mdb_cursor_close(std::exchange(handle_, nullptr));
  }
  MDB_cursor* get() const { return handle_; }

 private:
  MDB_cursor* handle_ = nullptr;
};

inline MDB_val to_val(std::string_view bytes) {
  return {bytes.size(), const_cast<char*>(bytes.data())};
}
inline MDB_val to_val(const Digest& key) {
  return {key.bytes.size(), const_cast<std::uint8_t*>(key.bytes.data())};
}
inline std::string_view to_view(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

}  // namespace hypernodes
