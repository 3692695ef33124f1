// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace hypernodes {

/// What the newest meta page of an LMDB file says, as far as safety depends on it.
struct LmdbMeta {
  struct Tree {
    std::uint16_t flags{};
    std::uint16_t depth{};
    std::uint64_t branch_pages{}, leaf_pages{}, overflow_pages{}, entries{};
    std::uint64_t root{};
  };
  std::uint32_t page_size{};
  std::uint64_t last_page{};
  std::uint64_t transaction{};
  Tree free_pages, main;

  std::uint64_t used_bytes() const { return (last_page + 1) * page_size; }
};

/// Reads and checks both meta pages of `fd` by pread, so that no damage can raise SIGBUS. nullopt
/// and a `reason` if LMDB could not trust them. Waits a little for a writer in the middle of one.
/// Source: LMDB 0.9 mdb.c, MDB_page, MDB_meta, MDB_db and mdb_env_read_header.
std::optional<LmdbMeta> read_lmdb_meta(int fd, std::string* reason);

/// Reads every page of every tree that `meta` reaches and checks whatever LMDB takes for granted:
/// page numbers, kinds, counts, offsets, overflow lengths, no page used twice. False and a `reason`
/// if something is wrong. REQUIRES: nobody is writing.
/// Cost: one pread a page, about 1 us for 4 KiB in the page cache.
bool check_lmdb_trees(int fd, const LmdbMeta& meta, std::string* reason);

}  // namespace hypernodes
