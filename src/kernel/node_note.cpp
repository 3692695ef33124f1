// SPDX-License-Identifier: MIT
#include "kernel/node_note.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "kernel/code_parts.hpp"
#include "values/codec.hpp"

namespace hypernodes {
namespace {

constexpr std::string_view kFormat = "hypernodes note 1";

/// Names of notes are short: stores use them as keys.
std::string name_of_note(std::string_view node) {
  constexpr std::size_t kLongest = 200;
  return "node " + (node.size() > kLongest ? Digest::of_bytes(node).hex() : std::string(node));
}

NodePrefix prefix_of(const Digest& code) {
  NodePrefix prefix;
  std::memcpy(prefix.data(), code.bytes.data(), prefix.size());
  return prefix;
}

void put_text(std::string& out, std::string_view text) {
  text = text.substr(0, NodeNote::kText);
  codec::put_varint(out, text.size());
  out += text;
}

void put_digest(std::string& out, const Digest& digest) {
  out.append(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size());
}

template <typename Items, typename Put>
void put_items(std::string& out, const Items& items, std::size_t most, Put&& put) {
  const std::size_t count = std::min(items.size(), most);
  codec::put_varint(out, count);
  for (std::size_t i = 0; i < count; ++i) put(items[i]);
}

std::string take_text(codec::Reader& reader) {
  const std::uint64_t size = reader.varint();
  if (size > NodeNote::kText) reader.fail();
  return std::string(reader.take(size));
}

Digest take_digest(codec::Reader& reader) {
  Digest digest;
  const std::string_view bytes = reader.take(digest.bytes.size());
  if (bytes.size() == digest.bytes.size()) {
    std::memcpy(digest.bytes.data(), bytes.data(), bytes.size());
  }
  return digest;
}

/// Items of at least `bytes` each; more than `most` are refused.
template <typename Take>
auto take_items(codec::Reader& reader, std::size_t bytes, std::size_t most, Take&& take) {
  std::vector<decltype(take())> items;
  const std::uint64_t count = reader.count(bytes);
  if (count > most) reader.fail();
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) items.push_back(take());
  return items;
}

NodeNote::Version take_version(codec::Reader& reader) {
  NodeNote::Version version;
  version.code = take_digest(reader);
  version.seen = reader.word<std::int64_t>();
  version.inputs = take_items(reader, 1, NodeNote::kInputs, [&] { return take_text(reader); });
  version.parts = take_items(reader, 3, NodeNote::kParts, [&] {
    CodePart part;
    part.kind = take_text(reader);
    part.name = take_text(reader);
    part.text = take_text(reader);
    return part;
  });
  return version;
}

NodeNote::Input take_input(codec::Reader& reader) {
  NodeNote::Input input{take_text(reader), std::nullopt};
  const auto constant = reader.word<std::uint8_t>();
  if (constant > 1) reader.fail();
  if (constant == 1) input.value = take_digest(reader);
  return input;
}

/// How often each node could have been noted in this process.
struct Looked {
  std::mutex mutex;
  std::unordered_map<std::size_t, std::uint32_t> counts;
};

/// Never destroyed: nodes may run in threads that outlive the statics.
Looked& looked_at() {
  static Looked* const instance = new Looked;
  return *instance;
}

}  // namespace

const NodeNote::Entry* NodeNote::find(const std::vector<std::string>& outputs) const {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& entry) { return entry.outputs == outputs; });
  return found == entries.end() ? nullptr : &*found;
}

void NodeNote::add(const std::vector<std::string>& outputs, Version version,
                   std::vector<Input> inputs) {
  Entry entry;
  if (const Entry* const found = find(outputs)) {
    entry = *found;
    entries.erase(entries.begin() + (found - entries.data()));
  }
  entry.outputs = outputs;
  entry.inputs = std::move(inputs);
  const auto drop = [this](const std::vector<Version>& versions, std::size_t from) {
    for (std::size_t i = from; i < versions.size(); ++i) {
      older.insert(older.begin(), prefix_of(versions[i].code));
    }
  };
  std::erase_if(entry.versions, [&](const Version& old) { return old.code == version.code; });
  entry.versions.insert(entry.versions.begin(), std::move(version));
  if (entry.versions.size() > kVersions) {
    drop(entry.versions, kVersions);
    entry.versions.resize(kVersions);
  }
  entries.insert(entries.begin(), std::move(entry));
  if (entries.size() > kEntries) {
    drop(entries.back().versions, 0);
    entries.pop_back();
  }
  if (older.size() > kOlder) older.resize(kOlder);
}

std::string NodeNote::encode() const {
  std::string out(kFormat);
  const auto put_names = [&](const std::vector<std::string>& names) {
    put_items(out, names, kInputs, [&](const std::string& name) { put_text(out, name); });
  };
  put_items(out, entries, kEntries, [&](const Entry& entry) {
    put_names(entry.outputs);
    put_items(out, entry.versions, kVersions, [&](const Version& version) {
      put_digest(out, version.code);
      codec::put_word(out, version.seen);
      put_names(version.inputs);
      put_items(out, version.parts, kParts, [&](const CodePart& part) {
        for (const std::string* text : {&part.kind, &part.name, &part.text}) put_text(out, *text);
      });
    });
    put_items(out, entry.inputs, kInputs, [&](const Input& input) {
      put_text(out, input.name);
      codec::put_word(out, static_cast<std::uint8_t>(input.value ? 1 : 0));
      if (input.value) put_digest(out, *input.value);
    });
  });
  put_items(out, older, kOlder, [&](const NodePrefix& prefix) {
    out.append(reinterpret_cast<const char*>(prefix.data()), prefix.size());
  });
  return out;
}

std::optional<NodeNote> NodeNote::parse(std::string_view bytes) {
  if (!bytes.starts_with(kFormat)) return std::nullopt;
  codec::Reader reader(bytes.substr(kFormat.size()));
  NodeNote note;
  note.entries = take_items(reader, 3, kEntries, [&] {
    Entry entry;
    entry.outputs = take_items(reader, 1, kInputs, [&] { return take_text(reader); });
    entry.versions = take_items(reader, 42, kVersions, [&] { return take_version(reader); });
    entry.inputs = take_items(reader, 2, kInputs, [&] { return take_input(reader); });
    return entry;
  });
  note.older = take_items(reader, sizeof(NodePrefix), kOlder, [&] {
    NodePrefix prefix{};
    const std::string_view part = reader.take(prefix.size());
    if (part.size() == prefix.size()) std::memcpy(prefix.data(), part.data(), part.size());
    return prefix;
  });
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return note;
}

NodeNote note_of(Cache& cache, std::string_view node) {
  return NodeNote::parse(cache.note(name_of_note(node))).value_or(NodeNote());
}

bool is_note_due(const Cache& cache, const Node& node, const std::vector<bool>& constant) {
  constexpr std::size_t kMost = 4096;
  constexpr std::uint32_t kAlways = 4, kSeldom = 256;
  std::size_t which = DigestHash()(node.definition().code);
  for (const std::size_t part :
       {static_cast<std::size_t>(cache.id()), std::hash<std::string>()(node.name()),
        std::hash<std::vector<bool>>()(constant)}) {
    which = which * 0x9E3779B97F4A7C15ULL + part;
  }
  Looked& looked = looked_at();
  const std::lock_guard lock(looked.mutex);
  if (looked.counts.size() >= kMost) looked.counts.clear();
  const std::uint32_t count = ++looked.counts[which];
  return count <= kAlways || std::has_single_bit(count) || count % kSeldom == 0;
}

void note_node(Cache& cache, const Node& node, std::vector<NodeNote::Input> inputs) {
  std::vector<std::string> outputs;
  for (const NodeOutput& output : node.outputs()) outputs.push_back(output.name);
  const Digest& code = node.definition().code;
  NodeNote note = note_of(cache, node.name());
  NodeNote::Version version{code, 0, {}, {}};
  for (const NodeNote::Input& input : inputs) version.inputs.push_back(input.name);
  const NodeNote::Entry* const entry = note.find(outputs);
  const NodeNote::Version* known = nullptr;
  if (entry != nullptr) {
    for (const NodeNote::Version& each : entry->versions) {
      if (each.code == code && each.inputs == version.inputs) known = &each;
    }
    if (known == entry->versions.data() && entry->inputs.size() == inputs.size()) {
      std::size_t differing = 0;
      bool same_pattern = true;
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        const NodeNote::Input& old = entry->inputs[i];
        same_pattern &=
            old.name == inputs[i].name && old.value.has_value() == inputs[i].value.has_value();
        differing += old.value != inputs[i].value ? 1 : 0;
      }
      if (same_pattern && differing <= 1) return;
    }
  }
  if (known != nullptr) {
    version = *known;
  } else {
    version.parts = parts_of(node);
    version.seen = std::chrono::duration_cast<std::chrono::seconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  }
  note.add(outputs, std::move(version), std::move(inputs));
  cache.put_note(name_of_note(node.name()), note.encode());
}

void forget_node(Cache& cache, std::string_view node) {
  const NodeNote note = note_of(cache, node);
  std::vector<NodePrefix> prefixes = note.older;
  for (const NodeNote::Entry& entry : note.entries) {
    for (const NodeNote::Version& version : entry.versions) {
      prefixes.push_back(prefix_of(version.code));
    }
  }
  if (prefixes.empty()) return;
  cache.clear_nodes(prefixes);
  cache.put_note(name_of_note(node), {});
  Looked& looked = looked_at();
  const std::lock_guard lock(looked.mutex);
  looked.counts.clear();  // so that what is computed now is noted
}

}  // namespace hypernodes
