// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "hypernodes/cache.hpp"
#include "hypernodes/digest.hpp"

namespace hypernodes {
namespace {

namespace fs = std::filesystem;

Digest key(int number) { return Digest::of_bytes(std::to_string(number)); }

/// A store of the first `kStored` keys, which lie in pages in any order.
class AscendingCursorTest : public testing::Test {
 protected:
  static constexpr int kStored = 5000;

  AscendingCursorTest() {
    std::string name = (fs::temp_directory_path() / "hypernodes_cursor_XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    std::vector<Digest> keys;
    std::vector<std::string> texts;
    for (int i = 0; i < kStored; ++i) {
      keys.push_back(key(i));
      texts.push_back("record " + std::to_string(i));
    }
    DiskCache{root_}.put_many(keys, std::vector<std::string_view>(texts.begin(), texts.end()));
  }
  ~AscendingCursorTest() override {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }

  /// Looks the numbers up in one batch and expects a visit for each that is stored, and no other.
  void expect_found(const std::vector<int>& numbers) {
    std::vector<Digest> keys;
    for (const int number : numbers) keys.push_back(key(number));
    std::map<std::size_t, std::string> found;
    DiskCache{root_}.get_many(keys, [&](std::size_t index, std::string_view record) {
      EXPECT_TRUE(found.emplace(index, record).second) << "visited twice: " << index;
    });
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const auto record = found.find(i);
      ASSERT_EQ(record != found.end(), numbers[i] < kStored) << numbers[i];
      if (record != found.end()) {
        EXPECT_EQ(record->second, "record " + std::to_string(numbers[i]));
      }
    }
  }

  fs::path root_;
};

TEST_F(AscendingCursorTest, FindsWhatIsThereHoweverFarApart) {
  for (const int stride : {1, 2, 3, 4, 7, 50, 1000}) {
    std::vector<int> numbers;
    for (int i = 0; i < kStored; i += stride) numbers.push_back(i);
    expect_found(numbers);
  }
}

TEST_F(AscendingCursorTest, KeysThatAreNotThereAreSkipped) {
  for (const int absent : {1, 100, 20 * kStored}) {
    std::vector<int> numbers;
    for (int i = 0; i < kStored + absent; ++i) numbers.push_back(i);
    expect_found(numbers);
  }
  std::vector<int> none;
  for (int i = kStored; i < 2 * kStored; ++i) none.push_back(i);
  expect_found(none);
}

TEST_F(AscendingCursorTest, DenseAndSparseStretchesMayAlternate) {
  std::vector<int> numbers;
  for (int i = 0; i < kStored; ++i) {
    const bool dense = key(i).bytes[0] % 32 < 16;
    if (dense || i % 40 == 0) numbers.push_back(i);
  }
  expect_found(numbers);
}

TEST_F(AscendingCursorTest, AKeyMayBeAskedForSeveralTimes) {
  expect_found({1, 1, 2, kStored, 1, kStored, kStored + 1});
}

}  // namespace
}  // namespace hypernodes
