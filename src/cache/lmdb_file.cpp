// SPDX-License-Identifier: MIT
#include "cache/lmdb_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

namespace hypernodes {
namespace {

constexpr std::uint32_t kMagic = 0xBEEFC0DE;
constexpr std::uint32_t kDataVersion = 1;
constexpr std::uint64_t kNoPage = ~std::uint64_t{0};
constexpr std::uint16_t kMaxDepth = 32;  // CURSOR_STACK
constexpr std::uint64_t kMaxPages = std::uint64_t{1} << 40;

constexpr std::uint16_t kBranch = 0x01, kLeaf = 0x02, kOverflow = 0x04, kMeta = 0x08;
constexpr std::uint16_t kNodeBig = 0x01, kNodeTree = 0x02;
constexpr std::uint16_t kIntegerKeys = 0x08;
constexpr std::uint16_t kNoSubdir = 0x4000;  // a flag of the environment, kept in its free list's

constexpr std::size_t kPageHeader = 16;
constexpr std::size_t kNodeHeader = 8;
constexpr std::size_t kTreeBytes = 48;
constexpr std::size_t kMetaBytes = 152;

template <class T>
T read_at(const char* bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes + offset, sizeof value);
  return value;
}

/// False at the end of the file. Throws: std::system_error.
bool read_exactly(int fd, char* into, std::size_t size, std::uint64_t offset) {
  while (size > 0) {
    const ssize_t got = ::pread(fd, into, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw std::system_error(errno, std::generic_category());
    if (got == 0) return false;
    into += got;
    size -= static_cast<std::size_t>(got);
    offset += static_cast<std::uint64_t>(got);
  }
  return true;
}

LmdbMeta::Tree read_tree(const char* bytes) {
  return {.flags = read_at<std::uint16_t>(bytes, 4),
          .depth = read_at<std::uint16_t>(bytes, 6),
          .branch_pages = read_at<std::uint64_t>(bytes, 8),
          .leaf_pages = read_at<std::uint64_t>(bytes, 16),
          .overflow_pages = read_at<std::uint64_t>(bytes, 24),
          .entries = read_at<std::uint64_t>(bytes, 32),
          .root = read_at<std::uint64_t>(bytes, 40)};
}

bool plausible(const LmdbMeta::Tree& tree, std::uint64_t last_page) {
  if (tree.depth > kMaxDepth) return false;
  if (tree.root == kNoPage) return tree.depth == 0 && tree.entries == 0;
  return tree.depth > 0 && tree.root >= 2 && tree.root <= last_page;
}

std::optional<LmdbMeta> parse_meta(const std::array<char, kMetaBytes>& page, unsigned slot) {
  const char* bytes = page.data();
  LmdbMeta meta;
  meta.page_size = read_at<std::uint32_t>(bytes, 40);
  meta.free_pages = read_tree(bytes + 40);
  meta.main = read_tree(bytes + 88);
  meta.last_page = read_at<std::uint64_t>(bytes, 136);
  meta.transaction = read_at<std::uint64_t>(bytes, 144);
  const bool sound =
      read_at<std::uint64_t>(bytes, 0) == slot && read_at<std::uint16_t>(bytes, 10) == kMeta &&
      read_at<std::uint32_t>(bytes, 16) == kMagic &&
      read_at<std::uint32_t>(bytes, 20) == kDataVersion && read_at<std::uint64_t>(bytes, 24) == 0 &&
      meta.page_size >= 512 && meta.page_size <= 0x8000 &&
      (meta.page_size & (meta.page_size - 1)) == 0 && meta.last_page >= 1 &&
      meta.last_page < kMaxPages && (meta.transaction == 0 || (meta.transaction & 1) == slot) &&
      meta.free_pages.flags == (kIntegerKeys | kNoSubdir) && meta.main.flags == 0;
  return sound ? std::optional{meta} : std::nullopt;
}

std::optional<LmdbMeta> read_meta_once(int fd, std::string* reason) {
  std::array<char, kMetaBytes> page{};
  if (!read_exactly(fd, page.data(), page.size(), 0)) {
    *reason = "the file is shorter than its first page";
    return std::nullopt;
  }
  const std::optional<LmdbMeta> first = parse_meta(page, 0);
  if (!first) {
    *reason = "the first meta page is not one of LMDB's data format 1";
    return std::nullopt;
  }
  if (!read_exactly(fd, page.data(), page.size(), first->page_size)) {
    *reason = "the file is shorter than its two meta pages";
    return std::nullopt;
  }
  const std::optional<LmdbMeta> second = parse_meta(page, 1);
  if (!second || second->page_size != first->page_size) {
    *reason = "the second meta page is not one of LMDB's data format 1";
    return std::nullopt;
  }
  // Transactions alternate between the two pages, so their numbers differ by one, except in a file
  // nobody has written to. Anything else is a page that never reached the disk.
  const bool first_is_newer = first->transaction >= second->transaction;  // as LMDB chooses
  const LmdbMeta& newer = first_is_newer ? *first : *second;
  const LmdbMeta& older = first_is_newer ? *second : *first;
  if (newer.transaction - older.transaction != (newer.transaction == 0 ? 0 : 1) ||
      newer.last_page < older.last_page) {
    *reason = "the two meta pages do not follow each other";
    return std::nullopt;
  }
  // The older page may name trees beyond its last page: where writing a meta page fails, LMDB puts
  // back only the numbers.
  if (!plausible(newer.free_pages, newer.last_page) || !plausible(newer.main, newer.last_page)) {
    *reason = "the newer meta page names no trees";
    return std::nullopt;
  }
  return newer;
}

/// Walks the trees of one snapshot.
class TreeCheck {
 public:
  TreeCheck(int fd, std::uint64_t file_bytes, const LmdbMeta& meta, std::string* reason)
      : fd_(fd),
        file_bytes_(file_bytes),
        page_size_(meta.page_size),
        pages_(meta.last_page + 1),
        reason_(reason),
        used_(pages_) {}

  bool check(const LmdbMeta& meta) {
    return tree(meta.free_pages, Kind::kFreePages) && tree(meta.main, Kind::kMain);
  }

 private:
  enum class Kind { kFreePages, kMain, kRecords };

  bool fail(std::uint64_t page, const char* what) {
    *reason_ = "page " + std::to_string(page) + ": " + what;
    return false;
  }

  bool claim(std::uint64_t page, std::uint64_t count) {
    if (page < 2 || count > pages_ || page > pages_ - count) {
      return fail(page, "outside of the file");
    }
    for (std::uint64_t i = page; i < page + count; ++i) {
      if (used_[i]) return fail(i, "used twice");
      used_[i] = true;
    }
    return true;
  }

  bool tree(const LmdbMeta::Tree& expected, Kind kind) {
    if (!plausible(expected, pages_ - 1)) return fail(expected.root, "not a tree");
    LmdbMeta::Tree found;
    if (expected.root != kNoPage && !page(expected.root, expected.depth, kind, &found)) {
      return false;
    }
    if (found.branch_pages != expected.branch_pages || found.leaf_pages != expected.leaf_pages ||
        found.overflow_pages != expected.overflow_pages || found.entries != expected.entries) {
      return fail(expected.root, "the tree's counts are wrong");
    }
    return true;
  }

  bool page(std::uint64_t number, unsigned levels, Kind kind, LmdbMeta::Tree* found) {
    if (!claim(number, 1)) return false;
    std::vector<char> bytes(page_size_);
    if (!read_exactly(fd_, bytes.data(), bytes.size(), number * page_size_)) {
      return fail(number, "unreadable");
    }
    const auto flags = read_at<std::uint16_t>(bytes.data(), 10);
    const std::size_t lower = read_at<std::uint16_t>(bytes.data(), 12);
    const std::size_t upper = read_at<std::uint16_t>(bytes.data(), 14);
    if (read_at<std::uint64_t>(bytes.data(), 0) != number) return fail(number, "wrong number");
    if (flags != (levels > 1 ? kBranch : kLeaf)) return fail(number, "wrong kind");
    if (lower < kPageHeader || lower % 2 != 0 || lower > upper || upper > page_size_) {
      return fail(number, "wrong bounds");
    }
    const std::size_t nodes = (lower - kPageHeader) / 2;
    if (nodes == 0 || (levels > 1 && nodes < 2 && kind != Kind::kFreePages)) {
      return fail(number, "too few nodes");
    }
    levels > 1 ? ++found->branch_pages : ++found->leaf_pages;
    for (std::size_t i = 0; i < nodes; ++i) {
      const std::size_t offset = read_at<std::uint16_t>(bytes.data(), kPageHeader + 2 * i);
      if (offset < upper || offset % 2 != 0 || offset + kNodeHeader > page_size_) {
        return fail(number, "a node lies outside");
      }
      const std::string_view node{bytes.data() + offset, page_size_ - offset};
      if (levels > 1 ? !branch_node(number, node, levels, kind, found)
                     : !leaf_node(number, node, kind, found)) {
        return false;
      }
    }
    return true;
  }

  bool branch_node(std::uint64_t number, std::string_view node, unsigned levels, Kind kind,
                   LmdbMeta::Tree* found) {
    const std::size_t key = read_at<std::uint16_t>(node.data(), 6);
    if (kNodeHeader + key > node.size()) return fail(number, "a key is too long");
    const std::uint64_t child = std::uint64_t{read_at<std::uint32_t>(node.data(), 0)} |
                                std::uint64_t{read_at<std::uint16_t>(node.data(), 4)} << 32;
    return page(child, levels - 1, kind, found);
  }

  bool leaf_node(std::uint64_t number, std::string_view node, Kind kind, LmdbMeta::Tree* found) {
    ++found->entries;
    const std::uint64_t size = read_at<std::uint32_t>(node.data(), 0);
    const auto flags = read_at<std::uint16_t>(node.data(), 4);
    const std::size_t key = read_at<std::uint16_t>(node.data(), 6);
    const bool big = flags == kNodeBig;
    if (flags != 0 && !big && !(flags == kNodeTree && kind == Kind::kMain)) {
      return fail(number, "a node of unknown kind");
    }
    if (kNodeHeader + key + (big ? sizeof(std::uint64_t) : size) > node.size()) {
      return fail(number, "a node is too long");
    }
    if (kind == Kind::kFreePages && key != sizeof(std::uint64_t)) {
      return fail(number, "a key of the free list has a wrong size");
    }
    const std::string_view data = node.substr(kNodeHeader + key);
    if (big) return overflow(read_at<std::uint64_t>(data.data(), 0), size, kind, found);
    if (kind == Kind::kFreePages) return free_list(number, data.substr(0, size));
    if (flags != kNodeTree) return true;
    if (size != kTreeBytes) return fail(number, "a tree's node has a wrong size");
    const LmdbMeta::Tree records = read_tree(data.data());
    return records.flags == 0 ? tree(records, Kind::kRecords) : fail(number, "unknown flags");
  }

  bool overflow(std::uint64_t number, std::uint64_t size, Kind kind, LmdbMeta::Tree* found) {
    std::array<char, kPageHeader> head{};
    if (number >= pages_ || !read_exactly(fd_, head.data(), head.size(), number * page_size_)) {
      return fail(number, "unreadable");
    }
    const std::uint64_t count = read_at<std::uint32_t>(head.data(), 12);
    if (read_at<std::uint64_t>(head.data(), 0) != number ||
        read_at<std::uint16_t>(head.data(), 10) != kOverflow ||
        count * page_size_ < size + kPageHeader) {
      return fail(number, "not the overflow page it should be");
    }
    if (!claim(number, count)) return false;
    if ((number + count) * page_size_ > file_bytes_) return fail(number, "cut short");
    found->overflow_pages += count;
    if (kind != Kind::kFreePages) return true;
    std::vector<char> list(size);
    if (!read_exactly(fd_, list.data(), list.size(), number * page_size_ + kPageHeader)) {
      return fail(number, "unreadable");
    }
    return free_list(number, {list.data(), list.size()});
  }

  bool free_list(std::uint64_t number, std::string_view list) {
    constexpr std::size_t kWord = sizeof(std::uint64_t);
    if (list.size() < kWord) return fail(number, "a free list is too short");
    const auto count = read_at<std::uint64_t>(list.data(), 0);
    if (count > list.size() / kWord - 1) return fail(number, "a free list is too short");
    // A free page may lie beyond the end of the file: one that was never written.
    std::uint64_t above = kNoPage;
    for (std::uint64_t i = 1; i <= count; ++i) {
      const auto page = read_at<std::uint64_t>(list.data(), i * kWord);
      if (page >= above) return fail(number, "a free list is not sorted");
      above = page;
      if (!claim(page, 1)) return false;
    }
    return true;
  }

  int fd_;
  std::uint64_t file_bytes_;
  std::size_t page_size_;
  std::uint64_t pages_;
  std::string* reason_;
  std::vector<bool> used_;
};

}  // namespace

std::optional<LmdbMeta> read_lmdb_meta(int fd, std::string* reason) {
  // A meta page is written in place: another process may be half-way.
  constexpr int kAttempts = 5;
  for (int attempt = 1;; ++attempt) {
    std::optional<LmdbMeta> meta = read_meta_once(fd, reason);
    if (meta || attempt == kAttempts) return meta;
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
}

bool check_lmdb_trees(int fd, const LmdbMeta& meta, std::string* reason) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) {
    *reason = std::strerror(errno);
    return false;
  }
  // Bounds the memory below by the file, not by a number read from it: what lies beyond the end of
  // a sound file are a few free pages.
  const auto file_bytes = static_cast<std::uint64_t>(status.st_size);
  if (meta.used_bytes() / 2 > file_bytes + (std::uint64_t{16} << 20)) {
    *reason = "the file ends long before its last page";
    return false;
  }
  return TreeCheck{fd, file_bytes, meta, reason}.check(meta);
}

}  // namespace hypernodes
