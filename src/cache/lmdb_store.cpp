// SPDX-License-Identifier: MIT
#include "cache/lmdb_store.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "cache/ascending_cursor.hpp"
#include "cache/forks.hpp"
#include "cache/key_order.hpp"
#include "cache/record.hpp"
#include "cache/record_trees.hpp"
#include "cache/write_back.hpp"
#include "hypernodes/error.hpp"

namespace hypernodes {
namespace {

namespace fs = std::filesystem;

/// Codes of this file, outside the ranges of errno and LMDB.
constexpr int kReplaced = -50000;
constexpr int kShort = -50001;
constexpr int kClosed = -50002;
constexpr int kReadOnly = -50003;

constexpr std::uint64_t kMaxRecord = 0xFFFF0000;  // LMDB: a length of 32 bits
constexpr std::uint64_t kNodeOverhead = 64;       // key, header and slack in a page
constexpr int kMaxAttempts = 200;
/// What could not be opened is tried again, but not for each row of a run.
constexpr std::chrono::milliseconds kReopenAfter{100};

// Of max_bytes: the age, in bytes put since, at which a use of a record is written down, and what a
// record may take.
constexpr std::uint64_t kTouchShare = 4;
constexpr std::uint64_t kRecordShare = 2;
constexpr std::size_t kMostTouches = std::size_t{1} << 20;
constexpr std::size_t kTouchesAtOnce = 4096;
constexpr std::size_t kAhead = 8;  // keys fetched into the processor's cache before they are needed

/// A commit of so many bytes is written to the disk at once, while the next is prepared.
constexpr std::uint64_t kWorthWriting = std::uint64_t{8} << 20;

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

/// A record that was used, and when it had been before.
struct Touch {
  Digest key;
  std::uint64_t stamp;
};

}  // namespace

/// What belongs to one process, and is left behind by a forked child.
struct LmdbStore::Opened {
  const int process = forks();
  /// Shared by transactions; alone, the map may move and the environment be replaced.
  FairSharedMutex mutex;
  std::unique_ptr<LmdbEnvironment> environment;  // null: cannot be opened, `warning` says why
  std::chrono::steady_clock::time_point tried;   // when it was last opened, or could not be
  std::uint64_t generation = 0;                  // counts changes of environment and map
  int corruptions = 0;  // reports of LMDB that is_damaged() did not confirm
  std::mutex flush_mutex;
  std::atomic<bool> unsynced{false};

  LmdbCounters counters;
  std::mutex touch_mutex;
  std::vector<Touch> touches;  // to be written with the next put or flush

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
  if (mine == nullptr || mine->process != forks()) return;
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
  if (current != nullptr && current->process == forks()) return *current;
  const std::lock_guard lock{registry().mutex};
  current = opened_.load(std::memory_order_acquire);
  if (current != nullptr && current->process == forks()) return *current;
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

LmdbCounters& LmdbStore::counters() { return opened().counters; }

/// Runs `work` in a transaction until it succeeds or nothing can be done. `bytes` is about what it
/// will write.
bool LmdbStore::transact(Access access, std::uint64_t bytes, const Work& work) {
  Opened& mine = opened();
  for (int tries = 0; tries < kMaxAttempts; ++tries) {
    std::uint64_t generation = 0;
    // One that fails is made again without trust.
    const Access checked = tries > 0 && access == Access::kReadOne ? Access::kRead : access;
    const int error = attempt(mine, checked, work, &generation);
    if (error == MDB_SUCCESS) {
      mine.forget_told();
      return true;
    }
    if (error == kClosed) {
      if (!open_again(mine, generation)) return false;
      continue;
    }
    if (error == kReadOnly) mine.warn(describe(directory_, EACCES));
    if (error == kReadOnly || !recover(mine, generation, error, bytes)) return false;
  }
  mine.warn("cache '" + directory_.string() +
            "': gave up after many attempts; another program keeps changing its files");
  return false;
}

int LmdbStore::attempt(Opened& opened, Access access, const Work& work, std::uint64_t* generation) {
  const std::shared_lock lock{opened.mutex};
  *generation = opened.generation;
  if (opened.environment == nullptr) return kClosed;
  LmdbEnvironment& environment = *opened.environment;
  const bool refused = access == Access::kWrite && environment.read_only();
  if (refused && !environment.may_write()) return kReadOnly;
  const bool trusting = access == Access::kReadOne;
  switch (trusting ? environment.recent_health() : environment.health()) {
    case LmdbEnvironment::Health::kReplaced:
      return kReplaced;
    case LmdbEnvironment::Health::kShort:
      return kShort;
    case LmdbEnvironment::Health::kSound:
      break;
  }
  if (refused) return kClosed;  // it could be written to if it were opened now
  LmdbTransaction transaction;
  const int error = transaction.begin(environment.get(), access == Access::kWrite ? 0 : MDB_RDONLY);
  return error == MDB_SUCCESS ? work(transaction, environment) : error;
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

int LmdbStore::commit(LmdbTransaction& transaction, Sync sync) {
  // Only commits look at this flag, and this one holds LMDB's write lock: it is ours until then.
  mdb_env_set_flags(mdb_txn_env(transaction.get()), MDB_NOSYNC, sync == Sync::kNow ? 0 : 1);
  const int error = transaction.commit();
  if (sync == Sync::kAtFlush) opened().unsynced.store(true, std::memory_order_relaxed);
  return error;
}

bool LmdbBounds::is_expired(std::string_view record) const {
  if (max_age.count() == 0) return false;
  return std::int64_t{stored_s(record)} + max_age.count() < std::int64_t{now_s()};
}

void LmdbStore::get_many(std::span<const Digest> keys, const Cache::Visitor& visit,
                         const LmdbBounds& bounds) {
  if (keys.empty()) return;
  const std::vector<std::uint32_t> order = key_order(keys);
  std::size_t done = 0;  // survives a second attempt: no key is visited twice
  std::size_t hits = 0;
  std::vector<Touch> touches;
  const Access access = keys.size() == 1 ? Access::kReadOne : Access::kRead;
  transact(access, 0, [&](LmdbTransaction& transaction, LmdbEnvironment& environment) {
    if (!environment.has_trees()) return MDB_SUCCESS;
    std::uint64_t touch_before = 0;
    int error = MDB_SUCCESS;
    if (bounds.max_bytes != 0 && !environment.read_only()) {
      RecordTrees trees{transaction.get(), environment.trees()};
      error = trees.for_reading();
      touch_before = trees.clock() - std::min(trees.clock(), bounds.max_bytes / kTouchShare);
    }
    AscendingCursor cursor;
    WholeRecords whole{transaction.get(), environment.trees().rests};
    if (error == MDB_SUCCESS) error = cursor.open(transaction.get(), environment.trees().records);
    for (; error == MDB_SUCCESS && done < order.size(); ++done) {
      if (done + kAhead < order.size()) __builtin_prefetch(&keys[order[done + kAhead]]);
      const Digest& wanted = keys[order[done]];
      MDB_val data{};
      error = cursor.find(wanted, &data);
      if (error == MDB_NOTFOUND) {
        error = MDB_SUCCESS;
        continue;
      }
      if (error != MDB_SUCCESS) break;
      const std::optional<StampedRecord> found = StampedRecord::read(data);
      if (!found || bounds.is_expired(found->front)) continue;
      std::string_view record;
      error = whole.read(to_val(wanted), *found, &record);
      if (error != MDB_SUCCESS) break;
      if (found->stamp < touch_before) touches.push_back({wanted, found->stamp});
      ++hits;
      visit(order[done], record);
    }
    return error;
  });
  Opened& mine = opened();
  mine.counters.hits.fetch_add(hits, std::memory_order_relaxed);
  mine.counters.misses.fetch_add(keys.size() - hits, std::memory_order_relaxed);
  if (touches.empty()) return;
  const std::lock_guard lock{mine.touch_mutex};
  const std::size_t room = kMostTouches - std::min(kMostTouches, mine.touches.size());
  touches.resize(std::min(room, touches.size()));
  mine.touches.insert(mine.touches.end(), touches.begin(), touches.end());
}

/// Writes down which old records were used. If that fails they only seem older than they are.
void LmdbStore::write_touches() {
  Opened& mine = opened();
  std::vector<Touch> touches;
  {
    const std::lock_guard lock{mine.touch_mutex};
    touches.swap(mine.touches);
  }
  std::sort(touches.begin(), touches.end(),
            [](const Touch& a, const Touch& b) { return a.key < b.key; });
  for (std::size_t begin = 0; begin < touches.size(); begin += kTouchesAtOnce) {
    const std::span some =
        std::span{touches}.subspan(begin, std::min(kTouchesAtOnce, touches.size() - begin));
    std::uint64_t generation = 0;
    attempt(
        mine, Access::kWrite,
        [&](LmdbTransaction& transaction, LmdbEnvironment& environment) {
          RecordTrees trees{transaction.get(), environment.trees()};
          int error = trees.for_writing();
          for (const Touch& touch : some) {
            if (error == MDB_SUCCESS) error = trees.touch(touch.key, touch.stamp);
          }
          if (error == MDB_SUCCESS) error = trees.finish();
          return error == MDB_SUCCESS ? commit(transaction, Sync::kWhenever) : error;
        },
        &generation);
  }
}

/// What one transaction puts: positions in `keys` and `records`, in the order of the keys.
struct LmdbStore::Chunk {
  std::span<const Digest> keys;
  std::span<const std::string_view> records;
  std::span<const std::uint32_t> order;
  std::uint64_t bytes;

  /// Starts to fetch what is put a little after place `i`.
  void fetch(std::size_t i) const {
    if (i + 2 * kAhead >= order.size()) return;
    __builtin_prefetch(&keys[order[i + 2 * kAhead]]);
    __builtin_prefetch(&records[order[i + 2 * kAhead]]);
    __builtin_prefetch(records[order[i + kAhead]].data());
  }
};

void LmdbStore::put_many(std::span<const Digest> keys, std::span<const std::string_view> records,
                         Durability durability, const LmdbBounds& bounds) {
  write_touches();
  const std::vector<std::uint32_t> order = key_order(keys);
  std::uint64_t most = limits_.max_transaction;
  std::uint64_t least = 0;  // what a record makes LMDB write
  if (bounds.max_bytes != 0) {
    least = LmdbBounds::kPageBytes;
    most = std::min(most, bounds.records_at_once() * least);
  }
  std::size_t next = 0;
  while (next < order.size()) {
    const std::size_t begin = next;
    std::uint64_t bytes = 0;
    for (; next < order.size() && (next == begin || bytes < most); ++next) {
      bytes += std::max(least, records[order[next]].size() + kNodeOverhead);
    }
    const std::span chunk = std::span{order}.subspan(begin, next - begin);
    const bool stored = put_chunk({keys, records, chunk, bytes}, durability, bounds);
    if (!stored) return;
  }
}

bool LmdbStore::put_chunk(const Chunk& chunk, Durability durability, const LmdbBounds& bounds) {
  const std::uint64_t most =
      bounds.max_bytes == 0 ? kMaxRecord : std::min(kMaxRecord, bounds.max_bytes / kRecordShare);
  std::uint64_t stores = 0;
  bool over = false, littered = false;
  const bool stored = transact(
      Access::kWrite, chunk.bytes, [&](LmdbTransaction& transaction, LmdbEnvironment& environment) {
        RecordTrees trees{transaction.get(), environment.trees()};
        int error = trees.for_writing();
        stores = 0;
        for (std::size_t i = 0; error == MDB_SUCCESS && i < chunk.order.size(); ++i) {
          chunk.fetch(i);
          const Digest& key = chunk.keys[chunk.order[i]];
          const std::string_view record = chunk.records[chunk.order[i]];
          if (i + 1 < chunk.order.size() && chunk.keys[chunk.order[i + 1]] == key) continue;
          if (record.size() > most) {
            opened().warn("cache '" + directory_.string() + "': a result of " +
                          std::to_string(record.size()) + " bytes was not stored, more than " +
                          std::to_string(most) +
                          " is too much here; split it, or switch the node's cache off");
            continue;
          }
          error = trees.put(key, record);
          ++stores;
        }
        if (error == MDB_SUCCESS) error = trees.finish();
        if (error != MDB_SUCCESS) return error;
        over = bounds.max_bytes != 0 && trees.live_bytes() > bounds.max_live_bytes();
        littered = trees.littered();
        return commit(transaction, sync_of(durability));
      });
  if (!stored) return false;
  counters().stores.fetch_add(stores, std::memory_order_relaxed);
  if (durability == Durability::kFlush && chunk.bytes >= kWorthWriting) start_writing();
  if (over) evict(bounds, durability);
  if (littered) compact_journal(durability);
  return true;
}

/// Has the system begin to write what was committed, so that flush() has less to wait for.
void LmdbStore::start_writing() {
  Opened& mine = opened();
  const std::shared_lock lock{mine.mutex};
  int fd = -1;
  if (mine.environment == nullptr || mdb_env_get_fd(mine.environment->get(), &fd) != MDB_SUCCESS) {
    return;
  }
  start_write_back(fd);  // what fails here fails again in flush(), which tells
}

void LmdbStore::flush() {
  write_touches();
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
  std::uint64_t records = 0;
  transact(Access::kRead, 0, [&](LmdbTransaction& transaction, LmdbEnvironment& environment) {
    if (environment.has_trees()) {
      records = RecordTrees{transaction.get(), environment.trees()}.records();
    }
    return MDB_SUCCESS;
  });
  return records;
}

std::optional<std::vector<Digest>> LmdbStore::keys_of(const NodePrefix& node, std::size_t most) {
  std::vector<Digest> keys;
  bool all = false;
  transact(Access::kRead, 0, [&](LmdbTransaction& transaction, LmdbEnvironment& environment) {
    keys.clear();
    all = !environment.has_trees();
    if (all) return MDB_SUCCESS;
    LmdbCursor cursor;
    int error = cursor.open(transaction.get(), environment.trees().records);
    NodePrefix prefix = node;
    MDB_val name{prefix.size(), prefix.data()};
    MDB_val ignored{};
    MDB_cursor_op move = MDB_SET_RANGE;
    for (; error == MDB_SUCCESS && keys.size() <= most; move = MDB_NEXT) {
      error = mdb_cursor_get(cursor.get(), &name, &ignored, move);
      all = error == MDB_NOTFOUND ||
            (error == MDB_SUCCESS && !to_view(name).starts_with(std::string_view(
                                         reinterpret_cast<const char*>(node.data()), node.size())));
      if (error != MDB_SUCCESS || all) break;
      Digest& key = keys.emplace_back();
      std::memcpy(key.bytes.data(), name.mv_data, std::min(name.mv_size, key.bytes.size()));
    }
    return error == MDB_NOTFOUND ? MDB_SUCCESS : error;
  });
  return all ? std::optional(std::move(keys)) : std::nullopt;
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
