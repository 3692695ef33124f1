// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/pickle_key.hpp"
#include "hypernodes/cache.hpp"

namespace hypernodes::testing {

/// A cache as a user might write one; it can be told to lie about what it has.
class MemoryCache final : public Cache {
 public:
  void get_many(std::span<const Digest> keys, const Visitor& visit) override {
    const std::lock_guard lock(mutex_);
    asked += static_cast<std::int64_t>(keys.size());
    for (std::size_t i = keys.size(); i-- > 0;) {  // any order is allowed
      const auto found = records_.find(keys[i]);
      if (found == records_.end()) continue;
      visit(i, tamper ? tamper(keys[i], found->second) : found->second);
    }
  }
  void put_many(std::span<const Digest> keys, std::span<const std::string_view> records) override {
    const std::lock_guard lock(mutex_);
    puts.push_back(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) records_[keys[i]] = std::string(records[i]);
  }
  void clear() override {
    const std::lock_guard lock(mutex_);
    records_.clear();
    notes.clear();
  }
  void clear_nodes(std::span<const NodePrefix> nodes) override {
    const std::lock_guard lock(mutex_);
    std::erase_if(records_, [&](const auto& record) {
      return std::any_of(nodes.begin(), nodes.end(), [&](const NodePrefix& node) {
        return std::equal(node.begin(), node.end(), record.first.bytes.begin());
      });
    });
  }
  Absence absence(const Digest& wanted) override {
    const auto found = absences.find(wanted);
    return found == absences.end() ? Absence::kNeverStored : found->second;
  }
  std::string note(std::string_view name) override {
    const std::lock_guard lock(mutex_);
    const auto found = notes.find(name);
    return found == notes.end() ? std::string() : found->second;
  }
  void put_note(std::string_view name, std::string_view text) override {
    const std::lock_guard lock(mutex_);
    ++notes_put;
    notes[std::string(name)] = text;
  }

  detail::PickleKey* pickle_key() override { return key.get(); }

  std::size_t size() const { return records_.size(); }
  std::map<Digest, std::string>& records() { return records_; }

  std::function<std::string(const Digest& key, const std::string& record)> tamper;
  std::unique_ptr<detail::PickleKey> key;
  std::int64_t asked = 0;         ///< Keys looked up.
  std::vector<std::size_t> puts;  ///< Records in each put_many.
  std::map<std::string, std::string, std::less<>> notes;
  std::int64_t notes_put = 0;
  std::map<Digest, Absence> absences;  ///< What absence() says of keys.

 private:
  std::mutex mutex_;
  std::map<Digest, std::string> records_;
};

}  // namespace hypernodes::testing
