// SPDX-License-Identifier: MIT
#include "kernel/node_record.hpp"

#include "cache/record.hpp"
#include "values/codec.hpp"

namespace hypernodes {
namespace {

constexpr std::string_view kKeyVersion = "hypernodes key 1";  // 16 bytes

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

}  // namespace

KeyMaker::KeyMaker(const Node& node) {
  // Exactly one block of SHA-256, so that a row of small inputs costs one more.
  std::string block(kKeyVersion);
  const Digest& code = node.definition().code;
  block.append(reinterpret_cast<const char*>(code.bytes.data()), code.bytes.size());
  block.resize(64, '\0');
  state_.update(block);
}

Digest KeyMaker::key(std::span<const Digest* const> inputs) const {
  Sha256 hash = state_;
  for (const Digest* input : inputs) hash.update(input->significant());
  return hash.finish();
}

void append_outputs(const Digest& key, std::uint64_t cost_ns,
                    std::span<const EncodedOutput> outputs, std::string& out) {
  Record record;
  record.cost_ns = cost_ns;
  if (outputs.size() == 1) {
    record.value = outputs[0].digest;
    record.payload = outputs[0].payload;
    append_record(key, record, out);
    return;
  }
  std::string payload;
  for (const EncodedOutput& output : outputs) {
    payload += output.digest.significant();
    codec::put_varint(payload, output.payload.size());
    payload += output.payload;
  }
  record.payload = payload;
  append_record(key, record, out);
}

bool parse_outputs(const Digest& key, std::string_view bytes, std::size_t count,
                   std::vector<EncodedOutput>& outputs) {
  const std::optional<Record> record = parse_record(key, bytes);
  if (!record || record->codec != Codec::kValue) return false;
  outputs.resize(count);
  if (count == 1) {
    outputs[0] = {record->value, record->payload};
    return true;
  }
  codec::Reader reader(record->payload);
  for (EncodedOutput& output : outputs) {
    if (!take_digest(reader, &output.digest)) return false;
    output.payload = reader.take(reader.varint());
  }
  return reader.ok() && reader.at_end();
}

}  // namespace hypernodes
