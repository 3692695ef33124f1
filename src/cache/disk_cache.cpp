// SPDX-License-Identifier: MIT
#include <memory>
#include <utility>

#include "cache/lmdb_store.hpp"
#include "hypernodes/cache.hpp"

namespace hypernodes {

/// What copies of a DiskCache share: the process's store and how this cache uses it.
class DiskCache::Environment {
 public:
  Environment(std::shared_ptr<LmdbStore> opened, DiskCacheOptions chosen)
      : store(std::move(opened)), options(chosen) {}

  const std::shared_ptr<LmdbStore> store;
  const DiskCacheOptions options;
};

DiskCache::DiskCache(const std::filesystem::path& directory, DiskCacheOptions options)
    : environment_(std::make_shared<Environment>(LmdbStore::open(directory), options)) {}

void DiskCache::get_many(std::span<const Digest> keys, const Visitor& visit) {
  environment_->store->get_many(keys, visit);
}

void DiskCache::put_many(std::span<const Digest> keys, std::span<const std::string_view> records) {
  environment_->store->put_many(keys, records, environment_->options.durability);
}

void DiskCache::clear() { environment_->store->clear(environment_->options.durability); }

void DiskCache::flush() { environment_->store->flush(); }

std::string DiskCache::warning() const { return environment_->store->warning(); }

const std::filesystem::path& DiskCache::directory() const {
  return environment_->store->directory();
}

const DiskCacheOptions& DiskCache::options() const { return environment_->options; }

std::uint64_t DiskCache::size() const { return environment_->store->size(); }

}  // namespace hypernodes
