// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "bindings/python.hpp"
#include "hypernodes/cache.hpp"

namespace hypernodes::python {

/// The core's cache behind a Python one: a DiskCache's own store, an adapter for any other
/// hypernodes.cache.Cache, null for None. Throws: hypernodes::TypeError for anything else.
std::shared_ptr<Cache> cache_of(nb::handle cache);

/// The other way: a Python cache with the same contents, or None for null. A DiskCache is one of
/// the same directory.
nb::object cache_object(Cache* cache);

void bind_caches(nb::module_& module);

}  // namespace hypernodes::python
