// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "bindings/python.hpp"
#include "hypernodes/cache.hpp"

namespace hypernodes::python {

/// The core's cache behind a Python one: the own store of a DiskCache or MemoryCache, an adapter
/// for any other hypernodes.cache.Cache, null for None. Throws: hypernodes::TypeError for anything
/// else.
std::shared_ptr<Cache> cache_of(nb::handle cache);

/// The other way, to be pickled: a cache written in Python is itself, a DiskCache one of the same
/// directory and a MemoryCache a new one, both with the same options. None for null.
nb::object cache_object(Cache* cache);

void bind_caches(nb::module_& module);

}  // namespace hypernodes::python
