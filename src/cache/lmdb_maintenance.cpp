// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "cache/lmdb_store.hpp"
#include "cache/record.hpp"
#include "cache/record_trees.hpp"

// What a store does besides finding and storing: all of it in transactions so short that writers of
// other threads and processes get their turn, and that freed pages can be used again.
namespace hypernodes {
namespace {

constexpr std::size_t kReadAtOnce = 4096;
constexpr std::uint64_t kBytesAtOnce = std::uint64_t{16} << 20;
constexpr std::size_t kDropAtOnce = 4096;
constexpr std::size_t kLongestName = 511;  // LMDB's longest key

enum class Verdict { kKeep, kForeign, kDrop };

std::optional<Digest> to_digest(std::string_view key) {
  Digest digest;
  if (key.size() != digest.bytes.size()) return std::nullopt;
  std::memcpy(digest.bytes.data(), key.data(), key.size());
  return digest;
}

}  // namespace

/// What LmdbStore::scan found.
struct LmdbStore::Scan {
  std::uint64_t records = 0, foreign = 0, condemned = 0, dropped = 0;
};

/// Reads all records, and drops those of which `judge(key, record)` says so, twice. They are
/// remembered as dropped for `reason`, unless that is kNeverStored.
template <class Judge>
LmdbStore::Scan LmdbStore::scan(Absence reason, Durability durability, const Judge& judge) {
  Scan total;
  std::string last;  // the key that was read last
  bool done = false;
  while (!done) {
    Scan slice;
    std::string end;
    std::vector<std::string> condemned;
    const bool read =
        transact(Access::kRead, 0, [&](LmdbTransaction& transaction, LmdbEnvironment& environment) {
          slice = {};
          condemned.clear();
          end = last;
          done = !environment.has_trees();
          if (done) return MDB_SUCCESS;
          LmdbCursor cursor;
          WholeRecords whole{transaction.get(), environment.trees().rests};
          int error = cursor.open(transaction.get(), environment.trees().records);
          MDB_val key = to_val(last);
          MDB_val value{};
          const auto move = [&](MDB_cursor_op to) {
            if (error == MDB_SUCCESS) error = mdb_cursor_get(cursor.get(), &key, &value, to);
          };
          move(last.empty() ? MDB_FIRST : MDB_SET_RANGE);
          if (error == MDB_SUCCESS && to_view(key) == last) move(MDB_NEXT);
          std::uint64_t bytes = 0;
          while (error == MDB_SUCCESS && slice.records < kReadAtOnce && bytes < kBytesAtOnce) {
            ++slice.records;
            end = to_view(key);
            const std::optional<StampedRecord> found = StampedRecord::read(value);
            std::string_view record;
            if (found) error = whole.read(key, *found, &record);
            if (error != MDB_SUCCESS) break;
            bytes += record.size();
            const Verdict verdict = judge(end, record);
            if (verdict == Verdict::kForeign) ++slice.foreign;
            if (verdict == Verdict::kDrop) condemned.push_back(end);
            move(MDB_NEXT);
          }
          done = error == MDB_NOTFOUND;
          return done ? MDB_SUCCESS : error;
        });
    if (!read) return total;
    last = end;
    total.records += slice.records;
    total.foreign += slice.foreign;
    total.condemned += condemned.size();
    if (condemned.empty()) continue;
    const bool dropped = transact(
        Access::kWrite, 0, [&](LmdbTransaction& transaction, LmdbEnvironment& environment) {
          slice.dropped = 0;
          std::vector<KeyPrefix> buried;
          RecordTrees trees{transaction.get(), environment.trees()};
          int error = trees.for_writing();
          for (const std::string& key : condemned) {
            const auto again = [&](std::string_view record) {
              return judge(key, record) == Verdict::kDrop;
            };
            bool gone = false;
            if (error == MDB_SUCCESS) error = trees.drop(key, again, &gone);
            if (!gone) continue;
            ++slice.dropped;
            const std::optional<Digest> digest = to_digest(key);
            if (digest && reason != Absence::kNeverStored) buried.push_back(KeyPrefix::of(*digest));
          }
          if (error == MDB_SUCCESS)
            error = trees.bury(reason, buried, RecordTrees::kMostTombstones);
          if (error == MDB_SUCCESS) error = trees.finish();
          return error == MDB_SUCCESS ? commit(transaction, sync_of(durability)) : error;
        });
    if (dropped) total.dropped += slice.dropped;
  }
  return total;
}

/// Repeats `take(trees, &step)` in transactions of their own until it is done. What it dropped.
template <class Take>
std::uint64_t LmdbStore::in_steps(Durability durability, const Take& take) {
  std::uint64_t dropped = 0;
  RecordTrees::Step step;
  while (!step.done) {
    const bool stepped = transact(
        Access::kWrite, 0, [&](LmdbTransaction& transaction, LmdbEnvironment& environment) {
          step = {};
          RecordTrees trees{transaction.get(), environment.trees()};
          int error = trees.for_writing();
          if (error == MDB_SUCCESS) error = take(trees, &step);
          if (error == MDB_SUCCESS) error = trees.finish();
          return error == MDB_SUCCESS ? commit(transaction, sync_of(durability)) : error;
        });
    if (!stepped) break;
    dropped += step.dropped;
  }
  return dropped;
}

void LmdbStore::evict(const LmdbBounds& bounds, Durability durability) {
  const std::size_t at_once = std::clamp<std::size_t>(bounds.records_at_once(), 1, kDropAtOnce);
  const std::uint64_t evicted =
      in_steps(durability, [&](RecordTrees& trees, RecordTrees::Step* step) {
        return trees.evict(bounds.max_live_bytes(), at_once, step);
      });
  counters().evicted.fetch_add(evicted, std::memory_order_relaxed);
}

void LmdbStore::compact_journal(Durability durability) {
  std::uint64_t next = 0, kept = 0;
  in_steps(durability, [&](RecordTrees& trees, RecordTrees::Step* step) {
    std::uint64_t at = next, held = kept;  // the step may have to be made again
    const int error = trees.compact(kReadAtOnce, &at, &held, step);
    if (error == MDB_SUCCESS) std::tie(next, kept) = std::tie(at, held);
    return error;
  });
}

void LmdbStore::clear(Durability durability) {
  in_steps(durability, [](RecordTrees& trees, RecordTrees::Step* step) {
    step->done = true;
    return trees.clear();
  });
}

void LmdbStore::clear_nodes(std::span<const NodePrefix> nodes, Durability durability) {
  bool littered = false;
  for (const NodePrefix& node : nodes) {
    in_steps(durability, [&](RecordTrees& trees, RecordTrees::Step* step) {
      const int error = trees.clear_node(node, kDropAtOnce, step);
      littered = trees.littered();
      return error;
    });
  }
  if (littered) compact_journal(durability);
}

void LmdbStore::gc(const LmdbBounds& bounds, Durability durability) {
  write_touches();
  if (bounds.max_age.count() != 0) {
    const Scan found =
        scan(Absence::kExpired, durability, [&](std::string_view /*key*/, std::string_view record) {
          return bounds.is_expired(record) ? Verdict::kDrop : Verdict::kKeep;
        });
    counters().expired.fetch_add(found.dropped, std::memory_order_relaxed);
  }
  if (bounds.max_bytes != 0 && statistics(bounds).bytes > bounds.max_live_bytes()) {
    evict(bounds, durability);
  }
  compact_journal(durability);
}

CacheVerification LmdbStore::verify(std::string_view secret, Durability durability) {
  const auto judge = [&](std::string_view bytes, std::string_view record) {
    const std::optional<Digest> key = to_digest(bytes);
    if (!key || !is_intact(*key, record)) return Verdict::kDrop;
    // Another version of this library has its own rules.
    if (!is_current(record) || parse_record(*key, record, secret)) return Verdict::kKeep;
    return claims_pickle(record) ? Verdict::kForeign : Verdict::kDrop;
  };
  const Scan found = scan(Absence::kNeverStored, durability, judge);
  return {.records = found.records, .damaged = found.condemned, .foreign = found.foreign};
}

CacheStatistics LmdbStore::statistics(const LmdbBounds& bounds) {
  CacheStatistics result{.max_bytes = bounds.max_bytes};
  transact(Access::kRead, 0, [&](LmdbTransaction& transaction, LmdbEnvironment& environment) {
    if (!environment.has_trees()) return MDB_SUCCESS;
    RecordTrees trees{transaction.get(), environment.trees()};
    const int error = trees.for_reading();
    result.records = trees.records();
    result.bytes = trees.live_bytes();
    return error;
  });
  const LmdbCounters& mine = counters();
  result.hits = mine.hits.load(std::memory_order_relaxed);
  result.misses = mine.misses.load(std::memory_order_relaxed);
  result.stores = mine.stores.load(std::memory_order_relaxed);
  result.evicted = mine.evicted.load(std::memory_order_relaxed);
  result.expired = mine.expired.load(std::memory_order_relaxed);
  return result;
}

Absence LmdbStore::absence(const Digest& key, const LmdbBounds& bounds) {
  Absence reason = Absence::kNeverStored;
  transact(Access::kRead, 0, [&](LmdbTransaction& transaction, LmdbEnvironment& environment) {
    if (!environment.has_trees()) return MDB_SUCCESS;
    MDB_val name = to_val(key);
    MDB_val value{};
    const int error = mdb_get(transaction.get(), environment.trees().records, &name, &value);
    if (error != MDB_SUCCESS && error != MDB_NOTFOUND) return error;
    const std::optional<StampedRecord> found =
        error == MDB_SUCCESS ? StampedRecord::read(value) : std::nullopt;
    if (found && bounds.is_expired(found->front)) {
      reason = Absence::kExpired;
      return MDB_SUCCESS;
    }
    return RecordTrees{transaction.get(), environment.trees()}.absence(key, &reason);
  });
  return reason;
}

std::string LmdbStore::note(std::string_view name) {
  std::string text;
  if (name.empty() || name.size() > kLongestName) return text;
  transact(Access::kRead, 0, [&](LmdbTransaction& transaction, LmdbEnvironment& environment) {
    if (!environment.has_trees()) return MDB_SUCCESS;
    MDB_val key = to_val(name);
    MDB_val value{};
    const int error = mdb_get(transaction.get(), environment.trees().notes, &key, &value);
    if (error == MDB_SUCCESS) text = to_view(value);
    return error == MDB_NOTFOUND ? MDB_SUCCESS : error;
  });
  return text;
}

void LmdbStore::put_note(std::string_view name, std::string_view text, Durability durability) {
  if (name.empty() || name.size() > kLongestName || note(name) == text) return;
  transact(
      Access::kWrite, text.size(), [&](LmdbTransaction& transaction, LmdbEnvironment& environment) {
        MDB_val key = to_val(name);
        MDB_val value = to_val(text);
        const int error = mdb_put(transaction.get(), environment.trees().notes, &key, &value, 0);
        return error == MDB_SUCCESS ? commit(transaction, sync_of(durability)) : error;
      });
}

}  // namespace hypernodes
