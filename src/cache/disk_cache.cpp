// SPDX-License-Identifier: MIT
#include <atomic>
#include <memory>
#include <utility>

#include "cache/lmdb_store.hpp"
#include "cache/pickle_key.hpp"
#include "hypernodes/cache.hpp"

namespace hypernodes {

namespace fs = std::filesystem;

std::uint64_t Cache::next_id() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

/// What copies of a DiskCache share: the process's store and how this cache uses it.
class DiskCache::Environment {
 public:
  Environment(std::unique_ptr<detail::PickleKey> chosen_key, const fs::path& directory,
              DiskCacheOptions chosen)
      : key(std::move(chosen_key)), store(LmdbStore::open(directory)), options(std::move(chosen)) {}

  const std::unique_ptr<detail::PickleKey> key;
  const std::shared_ptr<LmdbStore> store;
  const DiskCacheOptions options;
};

namespace {

std::unique_ptr<detail::PickleKey> key_of(const DiskCacheOptions& options) {
  if (options.allow_pickle) return detail::PickleKey::choose(options.pickle_key);
  return detail::PickleKey::none("this cache does not allow pickles (allow_pickle=False)");
}

}  // namespace

DiskCache::DiskCache(const fs::path& directory, DiskCacheOptions options)
    : environment_(std::make_shared<Environment>(key_of(options), directory, options)) {}

void DiskCache::get_many(std::span<const Digest> keys, const Visitor& visit) {
  environment_->store->get_many(keys, visit);
}

void DiskCache::put_many(std::span<const Digest> keys, std::span<const std::string_view> records) {
  environment_->store->put_many(keys, records, environment_->options.durability);
}

void DiskCache::clear() { environment_->store->clear(environment_->options.durability); }

void DiskCache::clear_nodes(std::span<const NodePrefix> nodes) {
  environment_->store->clear_nodes(nodes, environment_->options.durability);
}

std::string DiskCache::note(std::string_view name) { return environment_->store->note(name); }

void DiskCache::put_note(std::string_view name, std::string_view text) {
  environment_->store->put_note(name, text, environment_->options.durability);
}

void DiskCache::flush() { environment_->store->flush(); }

std::string DiskCache::warning() const { return environment_->store->warning(); }

detail::PickleKey* DiskCache::pickle_key() { return environment_->key.get(); }

const fs::path& DiskCache::directory() const { return environment_->store->directory(); }

const DiskCacheOptions& DiskCache::options() const { return environment_->options; }

std::uint64_t DiskCache::size() const { return environment_->store->size(); }

}  // namespace hypernodes
