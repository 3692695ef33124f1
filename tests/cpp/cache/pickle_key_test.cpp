// SPDX-License-Identifier: MIT
#include "cache/pickle_key.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "hypernodes/cache.hpp"
#include "hypernodes/error.hpp"
#include "temporary_directory.hpp"

namespace hypernodes {
namespace {

namespace fs = std::filesystem;
using detail::PickleKey;

/// Sets an environment variable, or unsets it, until it goes.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* const old = std::getenv(name)) old_ = old;
    set(value);
  }
  ~Variable() { set(old_ ? old_->c_str() : nullptr); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  void set(const char* value) {
    if (value != nullptr) {
      ::setenv(name_, value, 1);
    } else {
      ::unsetenv(name_);
    }
  }
  const char* name_;
  std::optional<std::string> old_;
};

class PickleKeyTest : public ::testing::Test {
 protected:
  fs::path file() const { return directory_.path() / "data" / "hypernodes" / "pickle.key"; }
  std::string content() const {
    std::ifstream in(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void place(const std::string& bytes, mode_t mode = 0600) const {
    fs::create_directories(file().parent_path());
    std::ofstream(file(), std::ios::binary) << bytes;
    ::chmod(file().c_str(), mode);
  }
  /// Why a new process would not write by the key of the user; empty if it would.
  static std::string refusal() {
    std::string why;
    const auto key = PickleKey::choose({});
    return key->for_writing(&why).empty() ? why : "";
  }

  const testing::TemporaryDirectory directory_;
  const Variable data_{"XDG_DATA_HOME", (directory_.path() / "data").c_str()};
  const Variable given_{"HYPERNODES_PICKLE_KEY", nullptr};
};

TEST_F(PickleKeyTest, TheUsersKeyIsMadeOnceWhenItIsNeeded) {
  const auto key = PickleKey::choose({});
  EXPECT_TRUE(key->for_reading().empty());
  EXPECT_FALSE(fs::exists(file()));
  const std::string secret(key->for_writing(nullptr));
  EXPECT_EQ(secret.size(), 32U);
  EXPECT_EQ(secret, content());
  EXPECT_EQ(key->for_reading(), secret);
  EXPECT_EQ(PickleKey::choose({})->for_reading(), secret);
  EXPECT_EQ(PickleKey::choose({})->for_writing(nullptr), secret);
}

TEST_F(PickleKeyTest, OnlyTheUserCanReadItWhateverTheMask) {
  const mode_t mask = ::umask(0);
  PickleKey::choose({})->for_writing(nullptr);
  ::umask(mask);
  struct stat status{};
  ASSERT_EQ(::stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  ASSERT_EQ(::stat(file().parent_path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700U);
  // Nothing but the key is left there.
  EXPECT_EQ(std::distance(fs::directory_iterator(file().parent_path()), {}), 1);
}

TEST_F(PickleKeyTest, ThreadsAndProcessesThatRaceAgree) {
  constexpr int kProcesses = 8;
  const fs::path out = directory_.path() / "seen";
  fs::create_directory(out);
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child != 0) continue;
    const auto key = PickleKey::choose({});
    std::vector<std::string> seen(4);
    std::vector<std::thread> threads;
    for (std::string& one : seen) {
      threads.emplace_back([&] { one = key->for_writing(nullptr); });
    }
    for (std::thread& thread : threads) thread.join();
    std::ofstream file(out / std::to_string(i), std::ios::binary);
    for (const std::string& one : seen) file << one;
    file.close();
    ::_exit(0);
  }
  for (int i = 0; i < kProcesses; ++i) ::wait(nullptr);
  const std::string secret = content();
  ASSERT_EQ(secret.size(), 32U);
  for (int i = 0; i < kProcesses; ++i) {
    std::ifstream in(out / std::to_string(i), std::ios::binary);
    std::ostringstream seen;
    seen << in.rdbuf();
    EXPECT_EQ(seen.str(), secret + secret + secret + secret) << i;
  }
}

TEST_F(PickleKeyTest, AKeyThatOthersMayKnowIsRefused) {
  const std::string secret(32, 's');
  for (const mode_t mode : {0640, 0604, 0620, 0602, 0610, 0666, 0644}) {
    place(secret, mode);
    EXPECT_NE(refusal().find("others can read or write it"), std::string::npos) << mode;
    EXPECT_TRUE(PickleKey::choose({})->for_reading().empty());
  }
  place(secret);
  EXPECT_EQ(refusal(), "");
  EXPECT_EQ(content(), secret);
}

TEST_F(PickleKeyTest, AKeyOfAnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  place(std::string(32, 's'));
  ASSERT_EQ(::chown(file().c_str(), 12345, 12345), 0);
  EXPECT_NE(refusal().find("belongs to another user"), std::string::npos);
}

TEST_F(PickleKeyTest, WhatIsNoKeyIsRefusedAndLeftAlone) {
  for (const std::size_t size : {0U, 31U, 33U, 1000U}) {
    place(std::string(size, 's'));
    EXPECT_NE(refusal().find("does not hold 32 bytes"), std::string::npos) << size;
    EXPECT_EQ(content().size(), size);
  }
  fs::remove(file());
  fs::create_directory(file());
  EXPECT_NE(refusal().find("not a regular file"), std::string::npos);
  fs::remove(file());
  ASSERT_EQ(::mkfifo(file().c_str(), 0600), 0);
  EXPECT_NE(refusal().find("not a regular file"), std::string::npos);
  fs::remove(file());
  std::ofstream(directory_.path() / "elsewhere") << std::string(32, 's');
  ::chmod((directory_.path() / "elsewhere").c_str(), 0600);
  fs::create_symlink(directory_.path() / "elsewhere", file());
  EXPECT_NE(refusal().find("not a regular file"), std::string::npos);
}

TEST_F(PickleKeyTest, WithoutAPlaceForItThereIsNoKey) {
  {
    std::ofstream(directory_.path() / "data") << "a file";
    EXPECT_NE(refusal().find("cannot be"), std::string::npos);
  }
  const Variable no_data("XDG_DATA_HOME", nullptr);
  {
    const Variable no_home("HOME", nullptr);
    EXPECT_NE(refusal().find("no home directory"), std::string::npos);
  }
  const Variable relative("XDG_DATA_HOME", "relative");
  const Variable home("HOME", directory_.path().c_str());
  EXPECT_EQ(refusal(), "");
  EXPECT_TRUE(fs::exists(directory_.path() / ".local" / "share" / "hypernodes" / "pickle.key"));
}

TEST_F(PickleKeyTest, AGivenKeyNeedsNoFileAndWinsOverTheVariable) {
  const Variable variable("HYPERNODES_PICKLE_KEY", "a key from the variable");
  EXPECT_EQ(PickleKey::choose({})->for_reading(), "a key from the variable");
  EXPECT_EQ(PickleKey::choose("a key that is given")->for_writing(nullptr), "a key that is given");
  EXPECT_FALSE(fs::exists(file()));
}

TEST_F(PickleKeyTest, AShortKeyIsAnError) {
  for (const char* const secret : {"", "fifteen bytes ."}) {
    EXPECT_THROW(PickleKey::choose(secret), CacheError);
  }
  EXPECT_NO_THROW(PickleKey::choose("sixteen bytes .."));
  const Variable variable("HYPERNODES_PICKLE_KEY", "short");
  EXPECT_THROW(PickleKey::choose({}), CacheError);
  EXPECT_THROW(DiskCache(directory_.path() / "cache"), CacheError);
  EXPECT_NO_THROW(DiskCache(directory_.path() / "cache", {.allow_pickle = false}));
}

TEST_F(PickleKeyTest, EphemeralKeysDifferAndNoneSaysWhy) {
  std::set<std::string> seen;
  for (int i = 0; i < 10; ++i) seen.emplace(PickleKey::ephemeral()->for_reading());
  EXPECT_EQ(seen.size(), 10U);
  std::string why;
  const auto none = PickleKey::none("because");
  EXPECT_TRUE(none->for_writing(&why).empty());
  EXPECT_EQ(why, "because");
}

}  // namespace
}  // namespace hypernodes
