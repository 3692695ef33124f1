// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hypernodes/column.hpp"
#include "hypernodes/detail/recycled.hpp"
#include "hypernodes/digest.hpp"
#include "hypernodes/value.hpp"

namespace hypernodes {

/// A row as an index.
inline std::size_t at(std::int64_t row) { return static_cast<std::size_t>(row); }

/// One slot over the rows of a batch: values, records not decoded yet, and digests. Which of them
/// it has may differ from row to row.
class Lane {
 public:
  enum class State : std::uint8_t {
    kEmpty,
    kHit,       ///< An encoded value from the cache.
    kPickled,   ///< A pickle from the cache, whose MAC was verified.
    kValue,     ///< A value.
    kComputed,  ///< A row of the computed column.
    kFailed,    ///< There will be none: its node failed, or one before that.
  };

  /// Marks a row whose digest, or key, is not known, because a value cannot be digested. Keys have
  /// any first byte, so all of it counts.
  static const Digest kUnknown;
  static bool known(const Digest& digest) {
    return digest.bytes[0] != kUnknown.bytes[0] || digest != kUnknown;
  }

  void set_constant(Value value);
  void set_column(Column column);
  /// Prepares for rows to be filled one by one, of `type`.
  void start(const Type& type, std::int64_t rows);

  bool is_set() const { return kind_ != Kind::kUnset; }
  bool is_constant() const { return kind_ == Kind::kConstant; }
  bool is_column() const { return kind_ == Kind::kColumn; }
  bool is_rows() const { return kind_ == Kind::kRows; }
  const Value& constant() const { return constant_; }
  const Type& type() const { return type_; }

  State state(std::int64_t row) const { return states_[static_cast<std::size_t>(row)]; }
  /// Whether `digest` is the payload itself, so that nobody else need keep it.
  static bool holds(const Digest& digest, std::string_view payload) {
    return digest.bytes[0] == payload.size() && digest.significant().substr(1) == payload;
  }
  /// `payload` must outlive the lane; an empty one means that `digest` holds it. `state` is kHit,
  /// or kPickled for a payload of kPickleMark and a pickle.
  void set_hit(std::int64_t row, std::string_view payload, const Digest& digest,
               State state = State::kHit);
  /// Has the processor fetch what set_hit will write.
  void fetch(std::int64_t row) const {
    if (!digests_.empty()) __builtin_prefetch(&digests_[at(row)], 1);
    if (!payloads_.empty()) __builtin_prefetch(&payloads_[at(row)], 1);
    __builtin_prefetch(&states_[at(row)], 1);
  }
  void set_value(std::int64_t row, Value value);
  /// Rows `rows[i]` take row i of `column`, as far as it goes.
  void set_computed(Column column, const std::vector<std::int64_t>& rows);
  void copy_row(std::int64_t from, std::int64_t to);
  void set_failed(std::int64_t row);
  bool failed(std::int64_t row) const { return is_rows() && state(row) == State::kFailed; }
  /// Forgets a row that turned out not to be readable.
  void reset(std::int64_t row);

  /// The digest of a row; digests of constants and columns are made when first asked for, and
  /// again if the value may have changed since. `now` is ChangeClock::now().
  const Digest& digest(std::int64_t row, std::uint64_t now = 0);
  /// The digest as it was last made, or set.
  const Digest& last_digest(std::int64_t row) const {
    return digests_[kind_ == Kind::kConstant ? 0 : static_cast<std::size_t>(row)];
  }
  void set_digest(std::int64_t row, const Digest& digest, std::uint64_t now = 0);
  /// Whether nodes may change some value here in place. REQUIRES: digest(), or a value was set.
  bool may_change() const { return may_change_; }
  /// Says that several rows may have the same object, so that a call for one changes those of
  /// others.
  void share() { shared_ = true; }
  bool is_shared() const { return shared_; }
  /// Whether digest() would make a row's digest again.
  bool stale(std::int64_t row, std::uint64_t now) const {
    return may_change_ && may_be_stale(row, now);
  }
  /// Whether this is a constant whose digest is that of an earlier time, because it takes too long
  /// to be made again for each row.
  bool assumed(std::uint64_t now) const { return slow() && made_at_[0] != now; }
  /// Whether it is a constant that takes long to digest.
  bool slow() const { return slow_; }
  /// Makes the digest again for each row, however long it takes: the constant does change.
  void distrust() { trusted_ = slow_ = false; }
  /// Why a row has no digest, in words for a warning: the last one that was found to have none.
  const std::string& refusal() const { return refusal_; }

  /// A row's value. nullopt if it is a hit whose payload does not decode. The pointer is valid
  /// until the lane changes; `scratch` holds values of columns.
  const Value* value(std::int64_t row, Value& scratch);
  /// These rows, or all `rows` of them if null, as a column of `type`. nullopt with `*bad_row` set
  /// to the first hit that does not decode. Rows that failed are null.
  std::optional<Column> gather(const std::vector<std::int64_t>* rows, std::int64_t row_count,
                               const Type& type, std::int64_t* bad_row);

 private:
  enum class Kind : std::uint8_t { kUnset, kConstant, kColumn, kRows };

  void digest_column(std::uint64_t now);
  void digest_constant(std::uint64_t now);
  void digest_again(std::int64_t row, std::uint64_t now);
  bool may_be_stale(std::int64_t row, std::uint64_t now) const;
  /// The value of a row if it is one, as an object or otherwise; null if nobody has seen it.
  const Value* seen(std::int64_t row, Value& scratch) const;
  /// As gather, for rows some of which failed.
  std::optional<Column> gather_with_nulls(const std::vector<std::int64_t>* rows,
                                          std::int64_t row_count, const Type& type,
                                          std::int64_t* bad_row);
  /// The payload of a hit.
  std::string_view payload(std::int64_t row) const;
  /// The value of a hit; nullopt if it does not decode.
  std::optional<Value> decode(std::int64_t row) const;
  /// The value of a pickled hit as this lane's type; nullopt if it cannot be opened.
  std::optional<Value> unpickle(std::int64_t row) const;

  Kind kind_ = Kind::kUnset;
  Type type_ = hypernodes::Kind::kObject;
  Value constant_;
  Column column_;  ///< kColumn: all rows. kRows: the computed ones.
  detail::RecycledVector<State> states_;
  detail::RecycledVector<Value> values_;
  detail::RecycledVector<std::int64_t> index_;         ///< kComputed: row of column_.
  detail::RecycledVector<std::string_view> payloads_;  ///< Empty where the digest is the payload.
  detail::RecycledVector<Digest> digests_;
  detail::RecycledVector<std::uint64_t> made_at_;  ///< When each digest was; for what may change.
  std::int64_t nanoseconds_ = 0;                   ///< The least that a constant's digest took.
  bool digested_ = false;
  bool may_change_ = false;
  bool shared_ = false;
  bool trusted_ = true;
  bool slow_ = false;
  bool any_failed_ = false;
  std::string refusal_;
};

/// Appends the digest of `value`'s canonical encoding to key material. kUnknown if it has none.
/// `scratch` is reused between calls.
Digest digest_of(const Value& value, std::string& scratch);

}  // namespace hypernodes
