// SPDX-License-Identifier: MIT
#include "kernel/node_record.hpp"

#include <algorithm>

#include "cache/record.hpp"
#include "values/codec.hpp"

namespace hypernodes {
namespace {

constexpr std::string_view kKeyVersion = "hypernodes key 2";  // 16 bytes

/// Digest::significant() read back; false if `bytes` does not begin with one.
bool take_digest(codec::Reader& reader, Digest* digest) {
  const auto first = reader.word<std::uint8_t>();
  if (first > 31 && first < 0x80) return false;
  const std::size_t size = first < 32 ? first : 31;
  const std::string_view rest = reader.take(size);
  if (!reader.ok()) return false;
  *digest = {};
  digest->bytes[0] = first;
  std::memcpy(digest->bytes.data() + 1, rest.data(), rest.size());
  return true;
}

bool begins_with_mark(std::string_view payload) {
  return !payload.empty() && payload.front() == kPickleMark;
}

/// The outputs of a record with several of them.
bool split(std::string_view payload, std::size_t count, std::vector<EncodedOutput>& outputs) {
  codec::Reader reader(payload);
  outputs.clear();
  while (reader.ok() && (count == kAnyCount ? !reader.at_end() : outputs.size() < count)) {
    EncodedOutput& output = outputs.emplace_back();
    if (!take_digest(reader, &output.digest)) return false;
    output.payload = reader.take(reader.varint());
  }
  return reader.ok() && reader.at_end();
}

}  // namespace

Digest digest_of_pickle(const Digest& key, std::string_view payload) {
  std::string text(1, kPickleMark);
  for (const Digest& part : {key, Digest::of_bytes(payload)}) {
    text.append(reinterpret_cast<const char*>(part.bytes.data()), part.bytes.size());
  }
  return Digest::of_value(text);
}

KeyMaker::KeyMaker(const Digest& code) {
  // Exactly one block of SHA-256, so that a row of small inputs costs one more.
  std::string block(kKeyVersion);
  block.append(reinterpret_cast<const char*>(code.bytes.data()), code.bytes.size());
  block.resize(64, '\0');
  state_.update(block);
  std::memcpy(node_.data(), code.bytes.data(), node_.size());
}

Digest KeyMaker::key(std::span<const Digest* const> inputs) const {
  Sha256 hash = state_;
  for (const Digest* input : inputs) hash.update(input->significant());
  Digest key = hash.finish();
  std::memcpy(key.bytes.data(), node_.data(), node_.size());
  return key;
}

void append_outputs(const Digest& key, std::uint64_t cost_ns,
                    std::span<const EncodedOutput> outputs, std::string& out,
                    std::string_view secret) {
  Record record;
  record.cost_ns = cost_ns;
  record.stored_s = now_s();
  const bool pickled = std::any_of(outputs.begin(), outputs.end(),
                                   [](const EncodedOutput& output) { return output.pickled; });
  if (pickled) record.codec = Codec::kPickle;
  if (outputs.size() == 1) {
    record.value = outputs[0].digest;
    record.payload = outputs[0].payload;
    append_record(key, record, out, secret);
    return;
  }
  std::string payload;
  for (const EncodedOutput& output : outputs) {
    payload += output.digest.significant();
    codec::put_varint(payload, output.payload.size());
    payload += output.payload;
  }
  record.payload = payload;
  append_record(key, record, out, secret);
}

bool parse_outputs(const Digest& key, std::string_view bytes, std::size_t count,
                   std::vector<EncodedOutput>& outputs, std::string_view secret) {
  const std::optional<Record> record = parse_record(key, bytes, secret);
  if (!record) return false;
  const bool pickles = record->codec == Codec::kPickle;
  bool several = count != 1;
  // No value has the digest that records of several outputs have.
  if (count == kAnyCount || pickles) several = record->value == Digest{};
  if (count != kAnyCount && several != (count != 1)) return false;
  if (several) {
    if (!split(record->payload, count, outputs)) return false;
  } else {
    outputs.resize(1);
    outputs[0].digest = record->value;
    outputs[0].payload = record->payload;
  }
  return std::all_of(outputs.begin(), outputs.end(), [&](EncodedOutput& output) {
    output.pickled = begins_with_mark(output.payload);
    return pickles || !output.pickled;
  });
}

}  // namespace hypernodes
