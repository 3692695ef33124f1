// SPDX-License-Identifier: MIT
#include <memory>
#include <string>

#include "cache/max_age.hpp"
#include "cache/memory_store.hpp"
#include "cache/pickle_key.hpp"
#include "hypernodes/cache.hpp"

namespace hypernodes {
namespace {

std::unique_ptr<detail::PickleKey> key_of(const MemoryCacheOptions& options) {
  if (options.allow_pickle) return detail::PickleKey::ephemeral();
  return detail::PickleKey::not_allowed();
}

const MemoryCacheOptions& checked(const MemoryCacheOptions& options) {
  check_max_age(options.max_age);
  return options;
}

}  // namespace

/// What copies of a MemoryCache share.
class MemoryCache::State {
 public:
  explicit State(const MemoryCacheOptions& chosen)
      : options(chosen), key(key_of(options)), store(options.max_bytes, options.max_age) {}

  const MemoryCacheOptions options;
  const std::unique_ptr<detail::PickleKey> key;
  MemoryStore store;
};

MemoryCache::MemoryCache(MemoryCacheOptions options)
    : state_(std::make_shared<State>(checked(options))) {}

void MemoryCache::get_many(std::span<const Digest> keys, const Visitor& visit) {
  state_->store.get_many(keys, visit);
}

void MemoryCache::put_many(std::span<const Digest> keys,
                           std::span<const std::string_view> records) {
  state_->store.put_many(keys, records);
}

void MemoryCache::clear() { state_->store.clear(); }

void MemoryCache::clear_nodes(std::span<const NodePrefix> nodes) {
  state_->store.clear_nodes(nodes);
}

void MemoryCache::gc() { state_->store.gc(); }

CacheVerification MemoryCache::verify() { return state_->store.verify(state_->key->for_reading()); }

CacheStatistics MemoryCache::statistics() { return state_->store.statistics(); }

Absence MemoryCache::absence(const Digest& key) { return state_->store.absence(key); }

std::string MemoryCache::note(std::string_view name) { return state_->store.note(name); }

void MemoryCache::put_note(std::string_view name, std::string_view text) {
  state_->store.put_note(name, text);
}

std::string MemoryCache::warning() const { return state_->store.warning(); }

detail::PickleKey* MemoryCache::pickle_key() { return state_->key.get(); }

const MemoryCacheOptions& MemoryCache::options() const { return state_->options; }

std::uint64_t MemoryCache::size() const { return state_->store.statistics().records; }

}  // namespace hypernodes
