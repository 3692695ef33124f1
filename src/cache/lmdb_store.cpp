// SPDX-License-Identifier: MIT
#include "cache/lmdb_store.hpp"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "cache/key_order.hpp"
#include "hypernodes/error.hpp"

namespace hypernodes {
namespace {

namespace fs = std::filesystem;

/// Codes of this file, outside the ranges of errno and LMDB.
constexpr int kReplaced = -50000;
constexpr int kShort = -50001;
constexpr int kClosed = -50002;

constexpr std::uint64_t kMaxRecord = 0xFFFF0000;  // LMDB: a length of 32 bits
constexpr std::uint64_t kNodeOverhead = 64;       // key, header and slack in a page
constexpr int kMaxAttempts = 200;
/// What could not be opened is tried again, but not for each row of a run.
constexpr std::chrono::milliseconds kReopenAfter{100};

/// A reader-preferring shared_mutex would let a stream of readers keep the map from growing.
class FairSharedMutex {
 public:
  void lock_shared() {
    const std::lock_guard turn{gate_};
    mutex_.lock_shared();
  }
  void unlock_shared() { mutex_.unlock_shared(); }
  void lock() {
    const std::lock_guard turn{gate_};
    mutex_.lock();
  }
  void unlock() { mutex_.unlock(); }

 private:
  std::mutex gate_;
  std::shared_mutex mutex_;
};

/// All stores of the process. Never destroyed: caches in static storage outlive any order of exit.
struct Registry {
  std::mutex mutex;
  std::map<std::string, LmdbStore*> stores;
};

Registry& registry() {
  static Registry* const instance = [] {
    static auto* made = new Registry;
    // A child must not inherit the lock in the hands of a thread it does not have.
    ::pthread_atfork([] { made->mutex.lock(); }, [] { made->mutex.unlock(); },
                     [] { made->mutex.unlock(); });
    return made;
  }();
  return *instance;
}

fs::path make_directory(const fs::path& directory) {
  const auto refuse = [&](const std::string& why) {
    throw CacheError("The cache directory '" + directory.string() + "' cannot be made: " + why,
                     "DiskCache", "give a directory on a local disk that you may write to");
  };
  std::error_code error;
  if (directory.empty()) refuse("the path is empty");
  const fs::path absolute = fs::absolute(directory, error).lexically_normal();
  if (!fs::is_directory(absolute, error)) {
    const fs::path named = absolute.has_filename() ? absolute : absolute.parent_path();
    std::error_code parents;
    fs::create_directories(named.parent_path(), parents);
    if (::mkdir(named.c_str(), 0700) != 0 && !fs::is_directory(named, error)) {
      refuse(std::strerror(errno));
    }
  }
  fs::path canonical = fs::canonical(absolute, error);
  if (error) refuse(error.message());
  return canonical;
}

std::string describe(const fs::path& directory, int error) {
  std::string text = "cache '" + directory.string() + "': ";
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EIO:
      return text + "results could not be stored: " + std::strerror(error) +
             "; free some space, or use another directory";
    case EACCES:
    case EPERM:
    case EROFS:
      return text + "results could not be stored: " + std::strerror(error) +
             "; make the directory and its files writable, or use another directory";
    case MDB_MAP_FULL:
      return text +
             "full: its file has reached the largest size; clear it, or use another directory";
    case MDB_READERS_FULL:
      return text + "too many look-ups at a time; use fewer processes or threads on it";
    case ENOMEM:
      return text +
             "not enough memory or address space to map its file; raise the limit (ulimit -v)";
    default:
      return text + "it could not be used: " + mdb_strerror(error) +
             "; if that persists, delete the directory";
  }
}

MDB_val to_val(std::string_view bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }

MDB_val to_val(const Digest& key) {
  return {key.bytes.size(), const_cast<std::uint8_t*>(key.bytes.data())};
}

class Cursor {
 public:
  Cursor() = default;
  ~Cursor() { close(); }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
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

}  // namespace

/// What belongs to one process, and is left behind by a forked child.
struct LmdbStore::Opened {
  const pid_t process = ::getpid();
  /// Shared by transactions; alone, the map may move and the environment be replaced.
  FairSharedMutex mutex;
  std::unique_ptr<LmdbEnvironment> environment;  // null: cannot be opened, `warning` says why
  std::chrono::steady_clock::time_point tried;   // when it was last opened, or could not be
  std::uint64_t generation = 0;                  // counts changes of environment and map
  int corruptions = 0;  // reports of LMDB that is_damaged() did not confirm
  std::mutex flush_mutex;
  std::atomic<bool> unsynced{false};

  std::mutex warning_mutex;
  std::string warning;
  bool told = false;                // somebody has read it
  std::atomic<bool> warned{false};  // there is a warning: spares the lock if there is none

  void warn(std::string text) {
    if (text.empty()) return;
    const std::lock_guard lock{warning_mutex};
    warning = std::move(text);
    told = false;
    warned.store(true, std::memory_order_relaxed);
  }
  /// A transaction succeeded: what was told before is over.
  void forget_told() {
    if (!warned.load(std::memory_order_relaxed)) return;
    const std::lock_guard lock{warning_mutex};
    if (!told) return;
    warning.clear();
    warned.store(false, std::memory_order_relaxed);
  }
};

LmdbStore::LmdbStore(fs::path directory, const LmdbLimits& limits)
    : directory_(std::move(directory)), limits_(limits) {}

LmdbStore::~LmdbStore() {
  Opened* const mine = opened_.load(std::memory_order_relaxed);
  if (mine == nullptr || mine->process != ::getpid()) return;
  flush();
  delete mine;
}

std::shared_ptr<LmdbStore> LmdbStore::open(const fs::path& directory, const LmdbLimits& limits) {
  const fs::path canonical = make_directory(directory);
  std::shared_ptr<LmdbStore> result;
  {
    const std::lock_guard lock{registry().mutex};
    LmdbStore*& store = registry().stores[canonical.string()];
    if (store == nullptr) store = new LmdbStore{canonical, limits};
    // Its last owner may be about to release it: counting owners under this lock, rather than
    // keeping a weak_ptr, means that the file is never opened while it is being closed.
    ++store->owners_;
    result = {store, &LmdbStore::release};
  }
  result->open_if_closed();
  return result;
}

void LmdbStore::release(LmdbStore* store) {
  const std::lock_guard lock{registry().mutex};
  if (--store->owners_ > 0) return;
  registry().stores.erase(store->directory_.string());
  delete store;
}

LmdbStore::Opened& LmdbStore::opened() {
  // acquire: pairs with the release below.
  Opened* current = opened_.load(std::memory_order_acquire);
  if (current != nullptr && current->process == ::getpid()) return *current;
  const std::lock_guard lock{registry().mutex};
  current = opened_.load(std::memory_order_acquire);
  if (current != nullptr && current->process == ::getpid()) return *current;
  // A parent's object is not freed: its locks may be held by threads that this process lacks.
  auto* fresh = new Opened;
  reopen(*fresh);
  opened_.store(fresh, std::memory_order_release);
  return *fresh;
}

/// Opens what could not be opened, or could be read only. False if that is not due, or in vain.
bool LmdbStore::open_again(Opened& opened, std::uint64_t generation) {
  const std::unique_lock lock{opened.mutex};
  if (opened.generation != generation) return true;
  const bool due = std::chrono::steady_clock::now() - opened.tried > kReopenAfter;
  if (due) reopen(opened);
  if (due && opened.environment != nullptr) return true;
  if (opened.environment != nullptr) opened.warn(describe(directory_, EACCES));
  return false;
}

void LmdbStore::open_if_closed() {
  Opened& mine = opened();
  {
    const std::shared_lock lock{mine.mutex};
    if (mine.environment != nullptr) return;
  }
  const std::unique_lock lock{mine.mutex};
  if (mine.environment == nullptr) reopen(mine);
}

void LmdbStore::reopen(Opened& opened) {
  opened.environment.reset();
  std::string notice;
  opened.environment = LmdbEnvironment::open(directory_, limits_, &notice);
  opened.warn(std::move(notice));
  opened.tried = std::chrono::steady_clock::now();
  ++opened.generation;
}

/// Runs `work(transaction, environment)` in a transaction, which `work` commits if it writes, until
/// it succeeds or nothing can be done. `bytes` is about what it will write.
template <class Work>
bool LmdbStore::transact(Access access, std::uint64_t bytes, Work work) {
  Opened& mine = opened();
  const unsigned flags = access == Access::kRead ? MDB_RDONLY : 0;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    int error = kClosed;
    std::uint64_t generation = 0;
    {
      const std::shared_lock lock{mine.mutex};
      generation = mine.generation;
      if (mine.environment != nullptr) {
        LmdbEnvironment& environment = *mine.environment;
        const bool refused = access == Access::kWrite && environment.read_only();
        if (refused && !environment.may_write()) {
          mine.warn(describe(directory_, EACCES));
          return false;
        }
        switch (environment.health()) {
          case LmdbEnvironment::Health::kSound: {
            if (refused) break;
            LmdbTransaction transaction;
            error = transaction.begin(environment.get(), flags);
            if (error == MDB_SUCCESS) error = work(transaction, environment);
            break;
          }
          case LmdbEnvironment::Health::kReplaced:
            error = kReplaced;
            break;
          case LmdbEnvironment::Health::kShort:
            error = kShort;
            break;
        }
      }
    }
    if (error == MDB_SUCCESS) {
      mine.forget_told();
      return true;
    }
    if (error == kClosed) {
      if (!open_again(mine, generation)) return false;
      continue;
    }
    if (!recover(mine, generation, error, bytes)) return false;
  }
  mine.warn("cache '" + directory_.string() +
            "': gave up after many attempts; another program keeps changing its files");
  return false;
}

/// Makes another attempt worth while after `error`; false if it is not.
bool LmdbStore::recover(Opened& opened, std::uint64_t generation, int error, std::uint64_t bytes) {
  const std::unique_lock lock{opened.mutex};
  if (opened.generation != generation) return true;
  LmdbEnvironment& environment = *opened.environment;
  std::string reason = mdb_strerror(error);
  switch (error) {
    case MDB_MAP_FULL:
      return grow(opened, bytes);
    case MDB_MAP_RESIZED: {
      ++opened.generation;
      const int resized = environment.resize_map(environment.map_bytes());
      if (resized != MDB_SUCCESS) opened.warn(describe(directory_, resized));
      if (resized != MDB_SUCCESS) opened.environment.reset();
      return resized == MDB_SUCCESS;
    }
    case MDB_READERS_FULL: {
      int dead = 0;
      mdb_reader_check(environment.get(), &dead);
      if (dead == 0) opened.warn(describe(directory_, error));
      return dead > 0;
    }
    case kReplaced:
    case MDB_PANIC:
      reopen(opened);
      return opened.environment != nullptr;
    case kShort:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_BAD_TXN: {
      ++opened.generation;
      const bool damaged = environment.is_damaged(&reason);
      if (!damaged && (error == kShort || ++opened.corruptions == 1)) return true;
      std::string notice;
      const bool aside = environment.set_aside(reason, &notice);
      opened.environment.reset();
      if (aside) reopen(opened);
      opened.warn(std::move(notice));
      return opened.environment != nullptr;
    }
    default:
      opened.warn(describe(directory_, error));
      return false;
  }
}

bool LmdbStore::grow(Opened& opened, std::uint64_t bytes) {
  LmdbEnvironment& environment = *opened.environment;
  // A process that was killed while reading keeps pages from being used again.
  int dead = 0;
  mdb_reader_check(environment.get(), &dead);
  const std::uint64_t now = environment.map_bytes();
  const std::uint64_t wanted = std::min(std::max(2 * now, now + 2 * bytes), limits_.max_map);
  if (wanted <= now) {
    opened.warn(describe(directory_, MDB_MAP_FULL));
    return false;
  }
  ++opened.generation;
  const int error = environment.resize_map(wanted);
  if (error == MDB_SUCCESS) return true;
  opened.warn(describe(directory_, error));
  reopen(opened);
  return false;
}

int LmdbStore::commit(LmdbTransaction& transaction, Opened& opened, Durability durability) {
  // Only commits look at this flag, and this one holds LMDB's write lock: it is ours until then.
  const bool later = durability == Durability::kFlush;
  mdb_env_set_flags(mdb_txn_env(transaction.get()), MDB_NOSYNC, later ? 1 : 0);
  const int error = transaction.commit();
  if (later) opened.unsynced.store(true, std::memory_order_relaxed);
  return error;
}

void LmdbStore::get_many(std::span<const Digest> keys, const Cache::Visitor& visit) {
  if (keys.empty()) return;
  const std::vector<std::uint32_t> order = key_order(keys);
  std::size_t done = 0;  // survives a second attempt: no key is visited twice
  transact(Access::kRead, 0, [&](LmdbTransaction& transaction, LmdbEnvironment& environment) {
    if (!environment.has_records()) return MDB_SUCCESS;
    Cursor cursor;
    int error = cursor.open(transaction.get(), environment.records());
    for (; error == MDB_SUCCESS && done < order.size(); ++done) {
      MDB_val key = to_val(keys[order[done]]);
      MDB_val data{};
      error = mdb_cursor_get(cursor.get(), &key, &data, MDB_SET);
      if (error == MDB_SUCCESS) {
        visit(order[done], {static_cast<const char*>(data.mv_data), data.mv_size});
      } else if (error == MDB_NOTFOUND) {
        error = MDB_SUCCESS;
      } else {
        break;
      }
    }
    return error;
  });
}

void LmdbStore::put_many(std::span<const Digest> keys, std::span<const std::string_view> records,
                         Durability durability) {
  const std::vector<std::uint32_t> order = key_order(keys);
  std::size_t next = 0;
  while (next < order.size()) {
    const std::size_t begin = next;
    std::uint64_t bytes = 0;
    for (; next < order.size() && (next == begin || bytes < limits_.max_transaction); ++next) {
      bytes += records[order[next]].size() + kNodeOverhead;
    }
    const std::span chunk = std::span{order}.subspan(begin, next - begin);
    const bool stored = transact(
        Access::kWrite, bytes, [&](LmdbTransaction& transaction, LmdbEnvironment& environment) {
          Cursor cursor;
          int error = cursor.open(transaction.get(), environment.records());
          for (std::size_t i = 0; error == MDB_SUCCESS && i < chunk.size(); ++i) {
            const Digest& key = keys[chunk[i]];
            const std::string_view record = records[chunk[i]];
            if (i + 1 < chunk.size() && keys[chunk[i + 1]] == key) continue;
            if (record.size() > kMaxRecord) {
              opened().warn("cache '" + directory_.string() +
                            "': a result of more than 4 GiB was not stored; split it, or switch "
                            "the node's cache off");
              continue;
            }
            MDB_val key_val = to_val(key);
            MDB_val data = to_val(record);
            error = mdb_cursor_put(cursor.get(), &key_val, &data, 0);
          }
          cursor.close();  // the end of a writing transaction would free it a second time
          return error == MDB_SUCCESS ? commit(transaction, opened(), durability) : error;
        });
    if (!stored) return;
  }
}

void LmdbStore::clear(Durability durability) {
  transact(Access::kWrite, 0, [&](LmdbTransaction& transaction, LmdbEnvironment& environment) {
    const int error = mdb_drop(transaction.get(), environment.records(), 0);
    return error == MDB_SUCCESS ? commit(transaction, opened(), durability) : error;
  });
}

void LmdbStore::flush() {
  Opened& mine = opened();
  // A second flush waits for the first: what it promises may be under way there.
  const std::lock_guard turn{mine.flush_mutex};
  if (!mine.unsynced.exchange(false, std::memory_order_relaxed)) return;
  const std::shared_lock lock{mine.mutex};
  if (mine.environment == nullptr) return;
  const int error = mdb_env_sync(mine.environment->get(), 1);
  if (error == MDB_SUCCESS) return;
  mine.unsynced.store(true, std::memory_order_relaxed);
  mine.warn(describe(directory_, error));
}

std::uint64_t LmdbStore::size() {
  MDB_stat stat{};
  transact(Access::kRead, 0, [&](LmdbTransaction& transaction, LmdbEnvironment& environment) {
    if (!environment.has_records()) return MDB_SUCCESS;
    return mdb_stat(transaction.get(), environment.records(), &stat);
  });
  return stat.ms_entries;
}

std::string LmdbStore::warning() {
  // acquire: pairs with the release in opened().
  const Opened* const current = opened_.load(std::memory_order_acquire);
  if (current != nullptr && !current->warned.load(std::memory_order_relaxed)) return {};
  Opened& mine = opened();
  const std::lock_guard lock{mine.warning_mutex};
  mine.told = true;
  return mine.warning;
}

std::uint64_t LmdbStore::map_bytes() {
  Opened& mine = opened();
  const std::shared_lock lock{mine.mutex};
  return mine.environment == nullptr ? 0 : mine.environment->map_bytes();
}

}  // namespace hypernodes
