// SPDX-License-Identifier: MIT
#include "kernel/lane.hpp"

#include <algorithm>
#include <ctime>
#include <utility>

#include "hypernodes/error.hpp"
#include "values/codec.hpp"
#include "values/object_runtime.hpp"

namespace hypernodes {
namespace {

Digest unknown_digest() {
  Digest digest;
  digest.bytes[0] = 0x7F;
  return digest;
}

/// `encode` appends the encoding in the asked form.
template <typename Encode>
Digest digest_with(std::string& scratch, Encode&& encode) {
  scratch.clear();
  bool unordered = false;
  return encode(/*canonical=*/true, scratch, &unordered) ? Digest::of_value(scratch)
                                                         : Lane::kUnknown;
}

/// A constant whose digest takes longer is not digested again for each row that runs.
constexpr std::int64_t kSlow = 50'000;
constexpr std::int64_t kVerySlow = 5'000'000;

/// A column is joined to one that is up to so many times as long.
constexpr std::int64_t kJoins = 8;

/// What this thread has computed: not what others kept it from.
std::int64_t thread_nanoseconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

const Digest Lane::kUnknown = unknown_digest();

Digest digest_of(const Value& value, std::string& scratch) {
  return digest_with(scratch, [&](bool canonical, std::string& out, bool* unordered) {
    return codec::encode(value, canonical, out, unordered);
  });
}

void Lane::set_constant(Value value) {
  kind_ = Kind::kConstant;
  type_ = value.type();
  constant_ = std::move(value);
  digested_ = false;
}

void Lane::set_column(Column column) {
  kind_ = Kind::kColumn;
  type_ = column.type();
  column_ = std::move(column);
  digested_ = false;
}

void Lane::start(const Type& type, std::int64_t rows) {
  kind_ = Kind::kRows;
  type_ = type;
  states_.assign(at(rows), State::kEmpty);
  values_.clear();
  index_.clear();
  payloads_.clear();
  digests_.clear();
  made_at_.clear();
  digested_ = true;
  may_change_ = false;
  any_failed_ = false;
}

void Lane::set_hit(std::int64_t row, std::string_view payload, const Digest& digest, State state) {
  states_[at(row)] = state;
  if (digests_.empty()) digests_.assign(states_.size(), kUnknown);
  digests_[at(row)] = digest;
  if (payloads_.empty()) {
    if (payload.empty()) return;
    payloads_.resize(states_.size());
  }
  payloads_[at(row)] = payload;
}

void Lane::set_value(std::int64_t row, Value value) {
  if (values_.empty()) values_.resize(states_.size());
  values_[at(row)] = std::move(value);
  states_[at(row)] = State::kValue;
}

void Lane::set_computed(Column column, const std::vector<std::int64_t>& rows) {
  if (column.size() == 0) return;
  // Joined to the column it would cost a copy of all the rows before it.
  if (column.size() < column_.size() / kJoins || column.size() == 1) {
    for (std::int64_t i = 0; i < column.size(); ++i) set_value(rows[at(i)], column[i]);
    return;
  }
  if (index_.empty()) index_.resize(states_.size());
  std::int64_t base = 0;
  if (column_.size() == 0) {
    column_ = std::move(column);
  } else {
    base = column_.size();
    column_ = Column::concat({column_, column});
  }
  for (std::int64_t i = base; i < column_.size(); ++i) {
    const std::size_t row = at(rows[at(i - base)]);
    index_[row] = i;
    states_[row] = State::kComputed;
  }
}

void Lane::copy_row(std::int64_t from, std::int64_t to) {
  const State state = states_[at(from)];
  const bool hit = state == State::kHit || state == State::kPickled;
  if (hit && !payloads_.empty()) payloads_[at(to)] = payloads_[at(from)];
  if (state == State::kValue) values_[at(to)] = values_[at(from)];
  if (state == State::kComputed) index_[at(to)] = index_[at(from)];
  states_[at(to)] = state;
  if (!digests_.empty()) digests_[at(to)] = digests_[at(from)];
}

void Lane::set_failed(std::int64_t row) {
  reset(row);
  states_[at(row)] = State::kFailed;
  any_failed_ = true;
}

void Lane::reset(std::int64_t row) {
  states_[at(row)] = State::kEmpty;
  if (!digests_.empty()) digests_[at(row)] = kUnknown;
}

void Lane::set_digest(std::int64_t row, const Digest& digest, std::uint64_t now) {
  if (!known(digest)) refusal_ = codec::refusal();
  if (digests_.empty()) digests_.assign(states_.size(), kUnknown);
  digests_[at(row)] = digest;
  Value scratch;
  const Value* const value = seen(row, scratch);
  if (value == nullptr || !detail::may_change(*value)) return;
  may_change_ = true;
  if (made_at_.empty()) made_at_.assign(states_.size(), 0);
  made_at_[at(row)] = now;
}

const Digest& Lane::digest(std::int64_t row, std::uint64_t now) {
  if (!digested_) kind_ == Kind::kConstant ? digest_constant(now) : digest_column(now);
  if (stale(row, now)) digest_again(row, now);
  if (kind_ == Kind::kRows && digests_.empty()) return kUnknown;
  return kind_ == Kind::kConstant ? digests_[0] : digests_[at(row)];
}

void Lane::digest_constant(std::uint64_t now) {
  std::string scratch;
  const bool again = digested_;
  const std::int64_t start = thread_nanoseconds();
  digests_.assign(1, digest_of(constant_, scratch));
  const std::int64_t elapsed = thread_nanoseconds() - start;
  if (!known(digests_[0])) refusal_ = codec::refusal();
  if (!again) may_change_ = detail::may_change(constant_);
  made_at_.assign(1, now);
  digested_ = true;
  nanoseconds_ = again ? std::min(nanoseconds_, elapsed) : elapsed;
  // The first one of a process may be slow for other reasons.
  slow_ = trusted_ && constant_.kind() == hypernodes::Kind::kObject && may_change_ &&
          nanoseconds_ > (again ? kSlow : kVerySlow);
}

void Lane::digest_column(std::uint64_t now) {
  std::string scratch;
  digests_.resize(at(column_.size()));
  for (std::int64_t row = 0; row < column_.size(); ++row) {
    digests_[at(row)] =
        digest_with(scratch, [&](bool canonical, std::string& out, bool* unordered) {
          return codec::encode(column_, row, canonical, out, unordered);
        });
    if (!known(digests_[at(row)])) refusal_ = codec::refusal();
  }
  may_change_ = detail::may_change(column_);
  if (may_change_) made_at_.assign(at(column_.size()), now);
  digested_ = true;
}

void Lane::digest_again(std::int64_t row, std::uint64_t now) {
  if (kind_ == Kind::kConstant) return digest_constant(now);
  std::string scratch;
  Value item;
  digests_[at(row)] = digest_of(*seen(row, item), scratch);
  if (!known(digests_[at(row)])) refusal_ = codec::refusal();
  if (made_at_.empty()) made_at_.assign(states_.size(), 0);
  made_at_[at(row)] = now;
}

bool Lane::may_be_stale(std::int64_t row, std::uint64_t now) const {
  if (kind_ == Kind::kConstant) return !slow_ && made_at_[0] != now && known(digests_[0]);
  if (digests_.empty() || !known(digests_[at(row)])) return false;
  if ((made_at_.empty() ? 0 : made_at_[at(row)]) == now) return false;
  Value scratch;
  const Value* const value = seen(row, scratch);
  return value != nullptr && detail::may_change(*value);
}

const Value* Lane::seen(std::int64_t row, Value& scratch) const {
  std::int64_t index = row;
  if (kind_ == Kind::kRows) {
    if (states_[at(row)] == State::kValue) return &values_[at(row)];
    if (states_[at(row)] != State::kComputed) return nullptr;
    index = index_[at(row)];
  }
  if (column_.type().kind() == hypernodes::Kind::kObject) return column_.objects() + index;
  if (!detail::holds_objects(column_.type())) return nullptr;
  scratch = column_[index];
  return &scratch;
}

std::string_view Lane::payload(std::int64_t row) const {
  if (!payloads_.empty() && payloads_[at(row)].data() != nullptr) return payloads_[at(row)];
  return digests_[at(row)].significant().substr(1);
}

std::optional<Value> Lane::decode(std::int64_t row) const {
  return states_[at(row)] == State::kPickled ? unpickle(row) : codec::decode(payload(row), type_);
}

std::optional<Value> Lane::unpickle(std::int64_t row) const {
  const detail::ObjectRuntime* const runtime = detail::object_runtime();
  Value value;
  if (runtime == nullptr || !runtime->unpickle(payload(row).substr(1), &value)) return std::nullopt;
  try {
    return value.cast(type_);
  } catch (const TypeError&) {
    return std::nullopt;
  }
}

const Value* Lane::value(std::int64_t row, Value& scratch) {
  switch (kind_) {
    case Kind::kConstant:
      return &constant_;
    case Kind::kColumn:
      if (type_.kind() == hypernodes::Kind::kObject) return column_.objects() + row;
      scratch = column_[row];
      return &scratch;
    default:
      break;
  }
  switch (states_[at(row)]) {
    case State::kValue:
      return &values_[at(row)];
    case State::kComputed:
      if (column_.type().kind() == hypernodes::Kind::kObject) {
        return column_.objects() + index_[at(row)];
      }
      scratch = column_[index_[at(row)]];
      return &scratch;
    case State::kHit:
    case State::kPickled: {
      std::optional<Value> value = decode(row);
      if (!value) return nullptr;
      may_change_ = may_change_ || detail::may_change(*value);
      set_value(row, *std::move(value));
      return &values_[at(row)];
    }
    default:
      return nullptr;
  }
}

std::optional<Column> Lane::gather(const std::vector<std::int64_t>* rows, std::int64_t row_count,
                                   const Type& type, std::int64_t* bad_row) {
  const std::int64_t count = rows != nullptr ? static_cast<std::int64_t>(rows->size()) : row_count;
  if (kind_ == Kind::kConstant) {
    // An object lane keeps the value as it is: all rows share it.
    if (type.kind() == hypernodes::Kind::kObject) {
      return Column::objects(std::vector<Value>(at(count), constant_));
    }
    return Column::repeat(constant_.cast(type), type, count);
  }
  if (kind_ == Kind::kColumn) {
    if (rows != nullptr) return column_.take(*rows).cast(type);
    return (column_.size() == count ? column_ : column_.slice(0, count)).cast(type);
  }
  if (any_failed_) return gather_with_nulls(rows, row_count, type, bad_row);
  const auto row_at = [&](std::int64_t i) { return rows != nullptr ? (*rows)[at(i)] : i; };
  if (type_.kind() == hypernodes::Kind::kObject) {
    std::vector<Value> values;
    values.reserve(at(count));
    Value scratch;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t row = row_at(i);
      if (states_[at(row)] == State::kHit) {
        std::optional<Value> value = decode(row);
        if (value && !detail::may_change(*value)) {  // nobody can tell whether it is made again
          values.push_back(*std::move(value));
          continue;
        }
        if (value) {
          may_change_ = true;
          set_value(row, *std::move(value));
        }
      }
      const Value* found = this->value(row, scratch);
      if (found == nullptr) {
        *bad_row = row;
        return std::nullopt;
      }
      values.push_back(*found);
    }
    return Column::objects(std::move(values)).cast(type);
  }
  ColumnBuilder builder(type_);
  builder.reserve(count);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = row_at(i);
    bool good = true;
    switch (states_[at(row)]) {
      case State::kComputed:
        builder.append(column_, index_[at(row)]);
        break;
      case State::kValue:
        builder.append(values_[at(row)]);
        break;
      case State::kHit:
        good = codec::decode(payload(row), builder);
        break;
      case State::kPickled:
        if (const std::optional<Value> value = unpickle(row)) {
          builder.append(*value);
        } else {
          good = false;
        }
        break;
      default:
        good = false;
    }
    if (!good) {
      *bad_row = row;
      return std::nullopt;
    }
  }
  return builder.finish().cast(type);
}

std::optional<Column> Lane::gather_with_nulls(const std::vector<std::int64_t>* rows,
                                              std::int64_t row_count, const Type& type,
                                              std::int64_t* bad_row) {
  const std::int64_t count = rows != nullptr ? static_cast<std::int64_t>(rows->size()) : row_count;
  std::vector<Value> values(at(count));
  Value scratch;
  bool any = false;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = rows != nullptr ? (*rows)[at(i)] : i;
    if (states_[at(row)] == State::kFailed) {
      any = true;
      continue;
    }
    const Value* const found = value(row, scratch);
    if (found == nullptr) {
      *bad_row = row;
      return std::nullopt;
    }
    values[at(i)] = *found;
  }
  if (type_.kind() == hypernodes::Kind::kObject) {
    return Column::objects(std::move(values)).cast(type);
  }
  return Column::of(any && !type_.nullable() ? type_.optional() : type_, values).cast(type);
}

}  // namespace hypernodes
