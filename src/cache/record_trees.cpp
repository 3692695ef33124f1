// SPDX-License-Identifier: MIT
#include "cache/record_trees.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>
#include <tuple>

namespace hypernodes {
namespace {

constexpr std::string_view kStateName = "state";
/// What a record takes in a leaf page besides its value: LMDB's header and index, and its key.
constexpr std::size_t kNodeHeader = 8;
constexpr std::size_t kNodeIndex = 2;
constexpr std::size_t kPageHeader = 16;

/// A record of a few pages is split where its last page would hold little.
constexpr std::size_t kMostSplitPages = 16;
constexpr std::size_t kMostFront = 1024;
constexpr std::size_t kLeastFront = 32;

/// Evicting makes this much room at least, so that not every put has to, and at most the other, so
/// that no put takes long.
constexpr std::uint64_t kSpareDivisor = 10;
constexpr std::uint64_t kMostSpare = std::uint64_t{64} << 20;
constexpr std::uint64_t kTombstoneShare = 256;  // of max_bytes a key: they take a 32nd of it
constexpr std::uint64_t kLeastLitter = 1000;
/// No file ever has so many bytes put into it: a clock beyond it is damage.
constexpr std::uint64_t kLastPosition = std::uint64_t{1} << 62;

/// Positions as keys that LMDB sorts as numbers.
class PositionKey {
 public:
  explicit PositionKey(std::uint64_t position) : big_endian_(__builtin_bswap64(position)) {
    static_assert(std::endian::native == std::endian::little);
  }
  MDB_val val() { return {sizeof big_endian_, &big_endian_}; }

  /// A key of another size is damage, and reads as the last.
  static std::uint64_t read(const MDB_val& key) {
    std::uint64_t big_endian = ~std::uint64_t{0};
    if (key.mv_size == sizeof big_endian) std::memcpy(&big_endian, key.mv_data, key.mv_size);
    return __builtin_bswap64(big_endian);
  }

 private:
  std::uint64_t big_endian_;
};

/// The reason of a tombstone that takes back the older ones of a node.
constexpr auto kCleared = static_cast<std::uint64_t>(Absence::kNeverStored);

/// That tombstone, for the node that `key` begins with.
template <class Key>
KeyPrefix cleared(const Key& key) {
  KeyPrefix prefix;
  std::memcpy(&prefix.node, &key, sizeof prefix.node);
  prefix.row = prefix.node;
  return prefix;
}

int unless_missing(int error) { return error == MDB_NOTFOUND ? MDB_SUCCESS : error; }

void subtract(std::uint64_t& from, std::uint64_t amount) { from -= std::min(from, amount); }

}  // namespace

std::optional<StampedRecord> StampedRecord::read(const MDB_val& value) {
  if (value.mv_size < kStampBytes) return std::nullopt;
  StampedRecord stamped;
  std::memcpy(&stamped.stamp, value.mv_data, kStampBytes);
  stamped.has_rest = (stamped.stamp & kHasRest) != 0;
  stamped.stamp &= ~kHasRest;
  stamped.front = to_view(value).substr(kStampBytes);
  return stamped;
}

void StampedRecord::write_stamp(void* to) const {
  const std::uint64_t bits = stamp | (has_rest ? kHasRest : 0);
  std::memcpy(to, &bits, sizeof bits);
}

int WholeRecords::read(MDB_val key, const StampedRecord& found, std::string_view* record) {
  *record = found.front;
  if (!found.has_rest) return MDB_SUCCESS;
  int error = cursor_.get() == nullptr ? cursor_.open(transaction_, rests_) : MDB_SUCCESS;
  MDB_val rest{};
  if (error == MDB_SUCCESS) error = mdb_cursor_get(cursor_.get(), &key, &rest, MDB_SET);
  if (error != MDB_SUCCESS) return unless_missing(error);
  joined_.assign(found.front);
  joined_.append(to_view(rest));
  *record = joined_;
  return MDB_SUCCESS;
}

int RecordTrees::for_reading() {
  MDB_val name = to_val(kStateName);
  MDB_val value{};
  const int error = mdb_get(transaction_, trees_.main, &name, &value);
  if (error == MDB_SUCCESS && value.mv_size == sizeof state_) {
    std::memcpy(&state_, value.mv_data, sizeof state_);
  }
  page_bytes_ = stat(trees_.records).ms_psize;
  return unless_missing(error);
}

int RecordTrees::for_writing() {
  int error = for_reading();
  if (error == MDB_SUCCESS) error = records_.open(transaction_, trees_.records);
  if (error == MDB_SUCCESS) error = uses_.open(transaction_, trees_.uses);
  if (error != MDB_SUCCESS) return error;
  MDB_val last{}, ignored{};
  error = mdb_cursor_get(uses_.get(), &last, &ignored, MDB_LAST);
  const std::uint64_t end = error == MDB_SUCCESS ? PositionKey::read(last) : 0;
  if (unless_missing(error) != MDB_SUCCESS) return error;
  if (std::max(state_.clock, end) >= kLastPosition) {
    state_.clock = 0;
    return clear();
  }
  if (error == MDB_SUCCESS) state_.clock = std::max(state_.clock, end + 1);
  return MDB_SUCCESS;
}

int RecordTrees::finish() {
  const int error = write_entry();
  whole_.close();
  records_.close();
  uses_.close();
  if (error != MDB_SUCCESS) return error;
  MDB_val name = to_val(kStateName);
  MDB_val value{sizeof state_, &state_};
  return mdb_put(transaction_, trees_.main, &name, &value, 0);
}

MDB_stat RecordTrees::stat(MDB_dbi tree) const {
  MDB_stat stat{};
  std::ignore = mdb_stat(transaction_, tree, &stat);  // fails for a tree that is not open only
  return stat;
}

std::uint64_t RecordTrees::records() const { return stat(trees_.records).ms_entries; }

std::uint64_t RecordTrees::live_bytes() const {
  std::uint64_t pages = 0;
  for (const MDB_dbi tree : {trees_.rests, trees_.uses, trees_.gone, trees_.notes}) {
    const MDB_stat other = stat(tree);
    pages += other.ms_branch_pages + other.ms_leaf_pages + other.ms_overflow_pages;
  }
  const MDB_stat records = stat(trees_.records);
  pages += records.ms_overflow_pages;
  // Pages that keys in random order fill are full to ln 2 = 69 %. What is emptier than that has
  // holes where victims were, which the next records fill; but holes are bytes of the file, too.
  const std::uint64_t with_holes = state_.leaf_bytes / 55 * 100;
  const std::uint64_t taken = (records.ms_branch_pages + records.ms_leaf_pages) * page_bytes_;
  return pages * page_bytes_ + std::max(std::min(with_holes, taken), taken / 10 * 9);
}

bool RecordTrees::littered() const { return state_.uses > 2 * records() + kLeastLitter; }

int RecordTrees::absence(const Digest& key, Absence* reason) const {
  *reason = Absence::kNeverStored;
  LmdbCursor gone;
  int error = gone.open(transaction_, trees_.gone);
  const KeyPrefix prefix = KeyPrefix::of(key);
  for (MDB_cursor_op move = MDB_LAST; error == MDB_SUCCESS; move = MDB_PREV) {
    MDB_val position{}, bytes{};
    error = mdb_cursor_get(gone.get(), &position, &bytes, move);
    if (error != MDB_SUCCESS) break;
    std::uint64_t why = kCleared;
    if (find_tombstone(to_view(bytes), cleared(key), &why) && why == kCleared) break;
    if (!find_tombstone(to_view(bytes), prefix, &why) || why == kCleared) continue;
    *reason = why == static_cast<std::uint64_t>(Absence::kExpired) ? Absence::kExpired
                                                                   : Absence::kEvicted;
    break;
  }
  return unless_missing(error);
}

/// LMDB's rule (mdb_leaf_size): larger values lie in pages of their own.
std::size_t RecordTrees::leaf_bytes(std::size_t value_bytes) const {
  const std::size_t key_bytes = kNodeHeader + sizeof(Digest);
  const std::size_t most = ((page_bytes_ - kPageHeader) / 2 & ~std::size_t{1}) - kNodeIndex;
  const bool in_leaf = key_bytes + value_bytes <= most;
  const std::size_t node = key_bytes + (in_leaf ? value_bytes : sizeof(std::uint64_t));
  return (node + kNodeIndex + 1) & ~std::size_t{1};
}

int RecordTrees::use(const Digest& key, std::uint64_t bytes, std::uint64_t* stamp) {
  int error = MDB_SUCCESS;
  if (entry_.full()) error = write_entry();
  if (entry_.empty()) entry_position_ = state_.clock;
  entry_.add(KeyPrefix::of(key));
  state_.clock += bytes;
  ++state_.uses;
  *stamp = entry_position_;
  return error;
}

int RecordTrees::write_entry() {
  if (entry_.empty()) return MDB_SUCCESS;
  PositionKey position{entry_position_};
  MDB_val key = position.val();
  MDB_val value = to_val(entry_.bytes());
  const int error = mdb_cursor_put(uses_.get(), &key, &value, MDB_APPEND);
  entry_.clear();
  return error;
}

/// Puts `entry`, or nothing if it is empty, where the cursor of the journal is.
int RecordTrees::replace_entry(std::uint64_t position, const UseEntry& entry) {
  if (entry.empty()) return mdb_cursor_del(uses_.get(), 0);
  PositionKey here{position};
  MDB_val key = here.val();
  MDB_val value = to_val(entry.bytes());
  return mdb_cursor_put(uses_.get(), &key, &value, MDB_CURRENT);
}

/// How much of a record lies in pages of its own, in the tree of rests; 0 if it is not split.
std::size_t RecordTrees::rest_bytes(std::size_t record_bytes) const {
  const auto pages = [this](std::size_t bytes) {
    return (bytes + kPageHeader + page_bytes_ - 1) / page_bytes_;
  };
  if (record_bytes <= kMostFront) return 0;
  const std::size_t fewest = pages(record_bytes - kMostFront);
  if (fewest == pages(StampedRecord::kStampBytes + record_bytes)) return 0;
  if (fewest > kMostSplitPages) return 0;
  return std::min(fewest * page_bytes_ - kPageHeader, record_bytes - kLeastFront);
}

int RecordTrees::put(const Digest& key, std::string_view record) {
  const std::size_t rest = rest_bytes(record.size());
  const std::string_view front = record.substr(0, record.size() - rest);
  const std::size_t bytes = StampedRecord::kStampBytes + front.size();
  StampedRecord stamped{.front = front, .has_rest = rest > 0};
  // What LMDB reserves is valid until the next write.
  int error = use(key, kNodeHeader + kNodeIndex + sizeof key + bytes + rest, &stamped.stamp);
  MDB_val name = to_val(key);
  if (error == MDB_SUCCESS && rest > 0) error = put_rest(name, record.substr(front.size()));
  if (error != MDB_SUCCESS) return error;
  MDB_val value{bytes, nullptr};
  error = mdb_cursor_put(records_.get(), &name, &value, MDB_NOOVERWRITE | MDB_RESERVE);
  if (error == MDB_KEYEXIST) {
    subtract(state_.leaf_bytes, leaf_bytes(value.mv_size));
    const std::optional<StampedRecord> former = StampedRecord::read(value);
    error = former && former->has_rest && rest == 0 ? remove_rest(name) : MDB_SUCCESS;
    if (error != MDB_SUCCESS) return error;
    value = {bytes, nullptr};
    error = mdb_cursor_put(records_.get(), &name, &value, MDB_RESERVE);
  }
  if (error != MDB_SUCCESS) return error;
  auto* const into = static_cast<char*>(value.mv_data);
  stamped.write_stamp(into);
  if (!front.empty()) {
    std::memcpy(into + StampedRecord::kStampBytes, front.data(), front.size());
  }
  state_.leaf_bytes += leaf_bytes(bytes);
  return MDB_SUCCESS;
}

int RecordTrees::put_rest(MDB_val key, std::string_view rest) {
  MDB_val value{rest.size(), nullptr};
  const int error = mdb_put(transaction_, trees_.rests, &key, &value, MDB_RESERVE);
  if (error == MDB_SUCCESS) std::memcpy(value.mv_data, rest.data(), rest.size());
  return error;
}

int RecordTrees::remove_rest(MDB_val key) {
  return unless_missing(mdb_del(transaction_, trees_.rests, &key, nullptr));
}

int RecordTrees::touch(const Digest& key, std::uint64_t stamp) {
  MDB_val name = to_val(key);
  MDB_val value{};
  int error = mdb_cursor_get(records_.get(), &name, &value, MDB_SET);
  if (error != MDB_SUCCESS) return unless_missing(error);
  std::optional<StampedRecord> found = StampedRecord::read(value);
  if (!found || found->stamp != stamp) return MDB_SUCCESS;
  std::string copy{to_view(value)};
  // The clock moves on by a byte only: reading a cache again and again must not age it.
  error = use(key, 1, &found->stamp);
  if (error != MDB_SUCCESS) return error;
  found->write_stamp(copy.data());
  value = to_val(copy);
  return mdb_cursor_put(records_.get(), &name, &value, MDB_CURRENT);
}

int RecordTrees::drop(std::string_view key, const std::function<bool(std::string_view)>& condemned,
                      bool* dropped) {
  *dropped = false;
  MDB_val name = to_val(key);
  MDB_val value{};
  int error = mdb_cursor_get(records_.get(), &name, &value, MDB_SET);
  if (error != MDB_SUCCESS) return unless_missing(error);
  const std::optional<StampedRecord> found = StampedRecord::read(value);
  std::string_view record;
  if (found) error = whole_.read(name, *found, &record);
  if (error != MDB_SUCCESS || !condemned(record)) return error;
  *dropped = true;
  return remove_current(name, value);
}

/// Removes the record where the cursor is, which has this key and value.
int RecordTrees::remove_current(MDB_val key, const MDB_val& value) {
  const std::optional<StampedRecord> found = StampedRecord::read(value);
  const bool has_rest = found && found->has_rest;
  std::string name;  // what LMDB returned is valid until the first write
  if (has_rest) name = to_view(key);
  subtract(state_.leaf_bytes, leaf_bytes(value.mv_size));
  const int error = mdb_cursor_del(records_.get(), 0);
  return error == MDB_SUCCESS && has_rest ? remove_rest(to_val(name)) : error;
}

/// Moves to the record of `key` that has this stamp; MDB_NOTFOUND if none has.
int RecordTrees::find_stamped(const KeyPrefix& key, std::uint64_t stamp, MDB_val* name,
                              MDB_val* found) {
  KeyPrefix prefix = key;
  *name = {sizeof prefix, &prefix};
  int error = mdb_cursor_get(records_.get(), name, found, MDB_SET_RANGE);
  // Two keys may begin alike, if hardly ever.
  while (error == MDB_SUCCESS && name->mv_size >= sizeof key &&
         std::memcmp(name->mv_data, &key, sizeof key) == 0) {
    const std::optional<StampedRecord> record = StampedRecord::read(*found);
    if (record && record->stamp == stamp) return MDB_SUCCESS;
    error = mdb_cursor_get(records_.get(), name, found, MDB_NEXT);
  }
  return error == MDB_SUCCESS ? MDB_NOTFOUND : error;
}

int RecordTrees::bury(Absence reason, const std::vector<KeyPrefix>& keys, std::uint64_t most) {
  if (keys.empty()) return MDB_SUCCESS;
  LmdbCursor gone;
  int error = gone.open(transaction_, trees_.gone);
  if (error != MDB_SUCCESS) return error;
  MDB_val position{}, bytes{};
  error = mdb_cursor_get(gone.get(), &position, &bytes, MDB_LAST);
  if (unless_missing(error) != MDB_SUCCESS) return error;
  PositionKey next{error == MDB_NOTFOUND ? 0 : PositionKey::read(position) + 1};
  const std::string tombs = make_tombstones(static_cast<std::uint64_t>(reason), keys);
  position = next.val();
  bytes = to_val(tombs);
  error = mdb_cursor_put(gone.get(), &position, &bytes, 0);
  state_.tombstones += keys.size();
  while (error == MDB_SUCCESS && state_.tombstones > most) {
    error = mdb_cursor_get(gone.get(), &position, &bytes, MDB_FIRST);
    if (error == MDB_SUCCESS) {
      subtract(state_.tombstones, tombstones(to_view(bytes)));
      error = mdb_cursor_del(gone.get(), 0);
    } else if (error == MDB_NOTFOUND) {
      state_.tombstones = 0;
      error = MDB_SUCCESS;
    }
  }
  return error;
}

int RecordTrees::evict(std::uint64_t max_bytes, std::size_t at_most, Step* step) {
  const std::uint64_t target = max_bytes - std::min(max_bytes / kSpareDivisor, kMostSpare);
  std::vector<KeyPrefix> victims;
  int error = MDB_SUCCESS;
  for (std::size_t seen = 0; error == MDB_SUCCESS && seen < at_most;) {
    step->done = live_bytes() <= target;
    if (step->done) break;
    MDB_val position{}, bytes{};
    error = mdb_cursor_get(uses_.get(), &position, &bytes, MDB_FIRST);
    if (error == MDB_NOTFOUND) {
      // Only damage explains records that the journal does not know. Nothing tells their age.
      step->done = true;
      step->dropped = records();
      state_.leaf_bytes = 0;
      error = mdb_drop(transaction_, trees_.rests, 0);
      return error == MDB_SUCCESS ? mdb_drop(transaction_, trees_.records, 0) : error;
    }
    if (error != MDB_SUCCESS) break;
    const std::uint64_t stamp = PositionKey::read(position);
    const std::vector<KeyPrefix> keys = UseEntry::read(to_view(bytes));
    UseEntry rest;  // of large records, an entry may be more than there is room to make
    std::size_t taken = 0;
    for (const KeyPrefix& key : keys) {
      if (error != MDB_SUCCESS) break;
      if (taken > 0 && live_bytes() <= target) {
        rest.add(key);
        continue;
      }
      ++taken;
      MDB_val name{}, value{};
      error = find_stamped(key, stamp, &name, &value);
      if (error == MDB_SUCCESS) {
        victims.push_back(key);
        error = remove_current(name, value);
      }
      error = unless_missing(error);
    }
    if (error == MDB_SUCCESS) error = replace_entry(stamp, rest);
    subtract(state_.uses, taken);
    seen += taken + 1;
  }
  if (error != MDB_SUCCESS) return error;
  step->dropped = victims.size();
  return bury(Absence::kEvicted, victims, std::min(kMostTombstones, max_bytes / kTombstoneShare));
}

int RecordTrees::clear_node(const NodePrefix& node, std::size_t at_most, Step* step) {
  int error = MDB_SUCCESS;
  for (step->dropped = 0; step->dropped < at_most; ++step->dropped) {
    NodePrefix prefix = node;
    MDB_val name{prefix.size(), prefix.data()};
    MDB_val value{};
    error = mdb_cursor_get(records_.get(), &name, &value, MDB_SET_RANGE);
    step->done = error == MDB_NOTFOUND || name.mv_size < node.size() ||
                 std::memcmp(name.mv_data, node.data(), node.size()) != 0;
    if (step->done) break;
    if (error == MDB_SUCCESS) error = remove_current(name, value);
    if (error != MDB_SUCCESS) return error;
  }
  if (unless_missing(error) != MDB_SUCCESS) return error;
  if (!step->done || state_.tombstones == 0) return MDB_SUCCESS;
  return bury(Absence::kNeverStored, {cleared(node)}, kMostTombstones);
}

int RecordTrees::compact(std::size_t at_most, std::uint64_t* next, std::uint64_t* kept,
                         Step* step) {
  PositionKey from{*next};
  MDB_val position = from.val();
  MDB_val bytes{};
  int error = mdb_cursor_get(uses_.get(), &position, &bytes, MDB_SET_RANGE);
  for (std::size_t seen = 0; error == MDB_SUCCESS && seen < at_most;) {
    const std::uint64_t stamp = PositionKey::read(position);
    const std::vector<KeyPrefix> keys = UseEntry::read(to_view(bytes));
    UseEntry entry;
    std::size_t held = 0;
    for (const KeyPrefix& key : keys) {
      MDB_val name{}, ignored{};
      error = find_stamped(key, stamp, &name, &ignored);
      if (unless_missing(error) != MDB_SUCCESS) return error;
      if (error == MDB_NOTFOUND) continue;
      entry.add(key);
      ++held;
    }
    error = held < keys.size() || keys.empty() ? replace_entry(stamp, entry) : MDB_SUCCESS;
    step->dropped += keys.size() - held;
    subtract(state_.uses, keys.size() - held);
    *kept += held;
    *next = stamp + 1;
    seen += keys.size() + 1;
    if (error == MDB_SUCCESS) error = mdb_cursor_get(uses_.get(), &position, &bytes, MDB_NEXT);
  }
  step->done = error == MDB_NOTFOUND;
  // Should the count have been wrong, a pass from end to end finds out.
  if (step->done) state_.uses = std::min(state_.uses, *kept);
  return unless_missing(error);
}

int RecordTrees::clear() {
  int error = MDB_SUCCESS;
  for (const MDB_dbi tree :
       {trees_.records, trees_.rests, trees_.uses, trees_.gone, trees_.notes}) {
    if (error == MDB_SUCCESS) error = mdb_drop(transaction_, tree, 0);
  }
  state_ = {.clock = state_.clock};
  return error;
}

}  // namespace hypernodes
