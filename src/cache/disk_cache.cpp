// SPDX-License-Identifier: MIT
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cache/lmdb_store.hpp"
#include "cache/max_age.hpp"
#include "cache/pickle_key.hpp"
#include "hypernodes/cache.hpp"
#include "hypernodes/error.hpp"

namespace hypernodes {

namespace fs = std::filesystem;

/// What copies of a DiskCache share: the process's store and how this cache uses it.
class DiskCache::Environment {
 public:
  Environment(std::unique_ptr<detail::PickleKey> chosen_key, const fs::path& directory,
              DiskCacheOptions chosen)
      : key(std::move(chosen_key)), store(LmdbStore::open(directory)), options(std::move(chosen)) {}

  const std::unique_ptr<detail::PickleKey> key;
  const std::shared_ptr<LmdbStore> store;
  const DiskCacheOptions options;
  const LmdbBounds bounds{.max_bytes = options.max_bytes, .max_age = options.max_age};
};

namespace {

std::unique_ptr<detail::PickleKey> key_of(const DiskCacheOptions& options) {
  if (options.allow_pickle) return detail::PickleKey::choose(options.pickle_key);
  return detail::PickleKey::not_allowed();
}

const DiskCacheOptions& checked(const DiskCacheOptions& options) {
  if (options.max_bytes != 0 && options.max_bytes < DiskCacheOptions::kLeastBytes) {
    throw CacheError("The cache may take " + std::to_string(options.max_bytes) +
                         " bytes, which is too little to be of use",
                     "max_bytes",
                     "give at least " + std::to_string(DiskCacheOptions::kLeastBytes) +
                         " bytes, or 0 for no bound");
  }
  check_max_age(options.max_age);
  return options;
}

}  // namespace

DiskCache::DiskCache(const fs::path& directory, DiskCacheOptions options)
    : environment_(std::make_shared<Environment>(key_of(options), directory, checked(options))) {}

void DiskCache::get_many(std::span<const Digest> keys, const Visitor& visit) {
  environment_->store->get_many(keys, visit, environment_->bounds);
}

void DiskCache::put_many(std::span<const Digest> keys, std::span<const std::string_view> records) {
  environment_->store->put_many(keys, records, environment_->options.durability,
                                environment_->bounds);
}

void DiskCache::clear() { environment_->store->clear(environment_->options.durability); }

void DiskCache::flush() { environment_->store->flush(); }

void DiskCache::clear_nodes(std::span<const NodePrefix> nodes) {
  environment_->store->clear_nodes(nodes, environment_->options.durability);
}

void DiskCache::gc() {
  environment_->store->gc(environment_->bounds, environment_->options.durability);
}

CacheVerification DiskCache::verify() {
  return environment_->store->verify(environment_->key->for_reading(),
                                     environment_->options.durability);
}

CacheStatistics DiskCache::statistics() {
  return environment_->store->statistics(environment_->bounds);
}

std::optional<std::vector<Digest>> DiskCache::keys_of(const NodePrefix& node, std::size_t most) {
  return environment_->store->keys_of(node, most);
}

Absence DiskCache::absence(const Digest& key) {
  return environment_->store->absence(key, environment_->bounds);
}

std::string DiskCache::note(std::string_view name) { return environment_->store->note(name); }

void DiskCache::put_note(std::string_view name, std::string_view text) {
  environment_->store->put_note(name, text, environment_->options.durability);
}

std::string DiskCache::warning() const { return environment_->store->warning(); }

detail::PickleKey* DiskCache::pickle_key() { return environment_->key.get(); }

detail::InFlight& DiskCache::in_flight() { return environment_->store->in_flight(); }

const fs::path& DiskCache::directory() const { return environment_->store->directory(); }

const DiskCacheOptions& DiskCache::options() const { return environment_->options; }

std::uint64_t DiskCache::size() const { return environment_->store->size(); }

}  // namespace hypernodes
