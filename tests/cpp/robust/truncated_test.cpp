// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "robust/stored.hpp"
#include "temporary_directory.hpp"

// A store whose file another process cuts: LMDB alone dies of that (SIGBUS).
namespace hypernodes {
namespace {

namespace fs = std::filesystem;
using testing::in_child;
using testing::look_up;
using testing::put;
using testing::range;
using testing::TemporaryDirectory;

constexpr std::uint64_t kRecords = 150, kPage = 4096;

/// Every page boundary, or a few of them, and some lengths between.
std::vector<std::uint64_t> lengths(std::uint64_t size, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  const bool soak = std::getenv("HYPERNODES_SOAK") != nullptr;
  std::vector<std::uint64_t> result{0, 1};
  for (std::uint64_t length = kPage; length < size; length += kPage) {
    if (soak || length <= 4 * kPage || random() % 3 == 0) result.push_back(length);
  }
  for (int i = soak ? 200 : 10; i > 0; --i) result.push_back(random() % size);
  return result;
}

/// What a store that lost its file does: all right, one complaint, and it works again.
std::string use(LmdbStore& store) {
  const auto all = range(0, kRecords);
  const std::optional<std::size_t> found = look_up(store, all);
  if (!found) return "wrong bytes";
  if (*found == kRecords) return "";  // what was cut off was free
  put(store, all);
  return look_up(store, all) == kRecords ? "" : "it stores nothing: " + store.warning();
}

class TruncatedTest : public ::testing::Test {
 protected:
  TruncatedTest() {
    put(*LmdbStore::open(whole()), range(0, kRecords));
    size_ = fs::file_size(whole() / "records.mdb");
  }
  fs::path whole() const { return root_.path() / "whole"; }
  fs::path fresh() const {
    fs::path copy = root_.path() / "cut";
    fs::remove_all(copy);
    fs::copy(whole(), copy);
    fs::remove(copy / "records.mdb-lock");
    return copy;
  }

  const TemporaryDirectory root_;
  std::uint64_t size_ = 0;
};

TEST_F(TruncatedTest, BeforeItIsOpened) {
  for (const std::uint64_t length : lengths(size_, 1)) {
    const fs::path directory = fresh();
    fs::resize_file(directory / "records.mdb", length);
    EXPECT_EQ(in_child([&] { return use(*LmdbStore::open(directory)); }), 0) << length;
  }
}

TEST_F(TruncatedTest, WhileItIsOpen) {
  for (const std::uint64_t length : lengths(size_, 2)) {
    const fs::path directory = fresh();
    EXPECT_EQ(in_child([&]() -> std::string {
                const auto store = LmdbStore::open(directory);
                if (look_up(*store, range(0, kRecords)) != kRecords) return "not whole";
                if (in_child([&] {
                      fs::resize_file(directory / "records.mdb", length);
                      return "";
                    }) != 0) {
                  return "not cut";
                }
                return use(*store);
              }),
              0)
        << length;
  }
}

TEST_F(TruncatedTest, WhileAnotherProcessHasItOpen) {
  for (const std::uint64_t length : lengths(size_, 3)) {
    const fs::path directory = fresh();
    EXPECT_EQ(in_child([&]() -> std::string {
                const auto store = LmdbStore::open(directory);
                fs::resize_file(directory / "records.mdb", length);
                // It sees a file in use, and must not trust it for that.
                if (in_child([&] { return use(*LmdbStore::open(directory)); }) != 0) {
                  return "the other process";
                }
                return use(*store);
              }),
              0)
        << length;
  }
}

}  // namespace
}  // namespace hypernodes
