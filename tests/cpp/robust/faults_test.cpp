// SPDX-License-Identifier: MIT
#include "robust/faults.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cache/lmdb_store.hpp"
#include "hypernodes/hypernodes.hpp"
#include "robust/stored.hpp"
#include "temporary_directory.hpp"

// The cache when any one of its system calls is the last, or fails: every call of a few small
// stories in turn.
namespace hypernodes {
namespace {

namespace fs = std::filesystem;
using faults::Fault;
using faults::Kind;
using testing::in_child;
using testing::look_up;
using testing::put;
using testing::range;
using testing::TemporaryDirectory;

/// In a soak, all errors that are likely; else `everyday` alone.
std::vector<int> errors(int everyday) {
  if (std::getenv("HYPERNODES_SOAK") == nullptr) return {everyday};
  return {ENOSPC, EIO, EMFILE, EACCES, ENOMEM};
}

/// More than what a store that cannot be opened waits before it is tried again.
constexpr std::chrono::milliseconds kPatience{120};

/// What a child tells its parent, however it ends.
class Pipe {
 public:
  Pipe() {
    if (::pipe(ends_.data()) != 0) throw std::runtime_error("no pipe");
  }
  ~Pipe() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void tell(std::uint64_t number) const {
    if (::write(ends_[1], &number, sizeof number) != sizeof number) ::_exit(3);
  }
  /// All that was told. REQUIRES: no child is left.
  std::vector<std::uint64_t> told() {
    ::close(std::exchange(ends_[1], -1));
    std::vector<std::uint64_t> numbers;
    std::uint64_t number = 0;
    while (::read(ends_[0], &number, sizeof number) == sizeof number) numbers.push_back(number);
    return numbers;
  }

 private:
  std::array<int, 2> ends_{};
};

bool was_killed(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; }

constexpr std::uint64_t kBatch = 12, kBatches = 4, kBefore = 1000;

/// A way to use a store, from a state of the directory.
struct Story {
  const char* name;
  std::function<void(const fs::path&)> prepare;
  LmdbLimits limits;
  bool damaged = false;  ///< What was there before is lost, and told.
};

void fill(const fs::path& directory) {
  put(*LmdbStore::open(directory), range(kBefore, kBefore + 40));
}

std::vector<Story> stories() {
  const auto cut = [](const fs::path& directory) {
    fill(directory);
    fs::resize_file(directory / "records.mdb", fs::file_size(directory / "records.mdb") / 2);
  };
  const auto another_boot = [](const fs::path& directory) {
    fill(directory);
    std::ofstream{directory / "records.mdb.boot"} << "an earlier boot\n";
  };
  return {{"begins", [](const fs::path&) {}, {}},
          {"goes on", fill, {}},
          {"grows", [](const fs::path&) {}, {.initial_map = 64 << 10}},
          {"starts after a reboot", another_boot, {}},
          {"sets aside", cut, {}, /*damaged=*/true}};
}

/// Stores batches, and tells of each one that was stored without a complaint.
std::string use(const fs::path& directory, const LmdbLimits& limits, const Pipe& acknowledged) {
  const auto store = LmdbStore::open(directory, limits);
  for (std::uint64_t batch = 0; batch < kBatches; ++batch) {
    const auto numbers = range(batch * kBatch, (batch + 1) * kBatch);
    (void)store->warning();
    put(*store, numbers);
    const bool sound = store->warning().empty();
    if (!look_up(*store, range(0, (batch + 1) * kBatch))) return "wrong bytes";
    if (sound) acknowledged.tell(batch);
  }
  store->flush();
  return "";
}

/// Everything told is there, nothing is wrong, and the store works.
std::string check(const Story& story, const fs::path& directory,
                  const std::vector<std::uint64_t>& told) {
  const auto store = LmdbStore::open(directory, story.limits);
  for (const std::uint64_t batch : told) {
    if (look_up(*store, range(batch * kBatch, (batch + 1) * kBatch)) != kBatch) {
      return "batch " + std::to_string(batch) + " is lost or wrong: " + store->warning();
    }
  }
  if (!look_up(*store, range(0, kBatch * kBatches))) return "wrong bytes";
  // A file that was given up while it was made has nothing to lose.
  const fs::path aside = directory / "records.mdb.damaged-1";
  const bool lost = fs::exists(aside) && fs::file_size(aside) >= 2 * 4096;
  if (!story.damaged && lost) return "a sound file was set aside: " + store->warning();
  put(*store, range(500, 520));
  if (look_up(*store, range(500, 520)) != 20U) return "it stores nothing: " + store->warning();
  return "";
}

class FaultsTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  FaultsTest() { story_.prepare(directory()); }

  static fs::path directory_of(const TemporaryDirectory& root) { return root.path() / "cache"; }
  fs::path directory() const { return directory_of(prepared_); }

  /// Runs the story with `fault` on a fresh copy of the directory, then checks what is left.
  /// False once the fault was not met any more.
  bool survives(const Fault& fault) {
    const TemporaryDirectory root;
    const fs::path copy = directory_of(root);
    if (fs::exists(directory())) fs::copy(directory(), copy);
    fs::remove(copy / "records.mdb-lock");
    Pipe acknowledged;
    Pipe calls;
    const int status = in_child([&] {
      faults::arm(root.path(), fault);
      std::string trouble;
      try {
        trouble = use(copy, story_.limits, acknowledged);
      } catch (const CacheError&) {  // only opening may throw
      }
      calls.tell(faults::disarm());
      return trouble;
    });
    const std::vector<std::uint64_t> made = calls.told();
    const bool met = made.empty() || made[0] >= fault.at;
    EXPECT_TRUE(status == 0 || (fault.kind == Kind::kKill && was_killed(status)))
        << where(fault) << ": " << status;
    const std::vector<std::uint64_t> told = acknowledged.told();
    EXPECT_EQ(in_child([&] { return check(story_, copy, told); }), 0)
        << where(fault) << ", " << told.size() << " batches acknowledged";
    if (!met) {
      EXPECT_EQ(told.size(), kBatches);
    }
    return met;
  }

  std::string where(const Fault& fault) const {
    return std::string{story_.name} + ", fault " + std::to_string(static_cast<int>(fault.kind)) +
           " (" + std::strerror(fault.error) + ") at call " + std::to_string(fault.at);
  }

  /// At every call in turn.
  void sweep(Fault fault) {
    fault.at = 1;
    while (survives(fault) && !HasFatalFailure()) ++fault.at;
    EXPECT_GT(fault.at, 10U);  // or the calls were not seen at all
  }

  const Story story_ = stories()[GetParam()];
  const TemporaryDirectory prepared_;
};

TEST_P(FaultsTest, AKillAtAnyCallLosesNothingAcknowledged) { sweep({.kind = Kind::kKill}); }
TEST_P(FaultsTest, AFullDisk) { sweep({.kind = Kind::kShortOn, .error = ENOSPC}); }
TEST_P(FaultsTest, ACallThatFailsOnce) {
  for (const int error : errors(EIO)) sweep({.kind = Kind::kFail, .error = error});
}
TEST_P(FaultsTest, CallsThatFailFromNowOn) {
  for (const int error : errors(EACCES)) sweep({.kind = Kind::kFailOn, .error = error});
}

INSTANTIATE_TEST_SUITE_P(Stories, FaultsTest, ::testing::Range(std::size_t{0}, stories().size()),
                         [](const auto& story) {
                           std::string name = stories()[story.param].name;
                           std::replace(name.begin(), name.end(), ' ', '_');
                           return name;
                         });

// Runs ------------------------------------------------------------------------------------------

std::int64_t square(std::int64_t x) { return x * x; }
std::string spell(std::int64_t squared) { return std::string(100, '=') + std::to_string(squared); }

constexpr std::int64_t kRows = 30;

/// Maps, and says what is not as promised; `degraded` tells what the run says of itself.
std::string map_rows(const DiskCache& cache, bool* degraded, std::int64_t* cached) {
  const Pipeline pipeline =
      Pipeline{node<square>("squared", {"x"}), node<spell>("text", {"squared"})}.with_cache(cache);
  std::vector<std::int64_t> items(kRows);
  std::iota(items.begin(), items.end(), 0);
  const Columns columns = pipeline.map({{"x", items}}, over("x"));
  for (std::int64_t i = 0; i < kRows; ++i) {
    if (columns["squared"].int64s()[static_cast<std::size_t>(i)] != i * i) return "wrong result";
  }
  const Statistics& did = columns.statistics;
  *degraded = did.degraded;
  *cached = did.nodes.at("square").rows_cached + did.nodes.at("spell").rows_cached;
  if (did.warnings.size() > 1) return "more than one warning: " + did.warnings[1];
  if (did.degraded == did.warnings.empty()) return "the warning and `degraded` disagree";
  return "";
}

/// A map with `fault`, then, without it, two more: what they say is checked.
std::string map_with(const fs::path& root, const Fault& fault, const Pipe& calls) {
  std::optional<DiskCache> cache;
  bool degraded = false;
  std::int64_t cached = 0;
  std::string trouble;
  faults::arm(root, fault);
  try {
    cache.emplace(root / "cache");
    trouble = map_rows(*cache, &degraded, &cached);
  } catch (const CacheError&) {  // only opening may throw
  }
  calls.tell(faults::disarm());
  if (!trouble.empty() || !cache) return trouble;
  const bool was_degraded = degraded;
  trouble = map_rows(*cache, &degraded, &cached);
  if (degraded && trouble.empty()) {  // it could not be opened
    std::this_thread::sleep_for(kPatience);
    trouble = map_rows(*cache, &degraded, &cached);
  }
  if (!trouble.empty()) return "after the fault, " + trouble;
  if (!was_degraded && cached != 2 * kRows) return "not degraded, but results were lost";
  if (degraded) return "still degraded";
  trouble = map_rows(*cache, &degraded, &cached);
  if (!trouble.empty()) return trouble;
  return cached == 2 * kRows && !degraded ? "" : "the cache did not recover";
}

TEST(RunWithFaultsTest, IsRightWithOneWarningAndSaysThatItIsDegraded) {
  for (const Kind kind : {Kind::kFail, Kind::kFailOn, Kind::kShortOn}) {
    for (const int error : errors(ENOSPC)) {
      for (Fault fault{.kind = kind, .error = error, .at = 1};; ++fault.at) {
        const TemporaryDirectory root;
        Pipe calls;
        ASSERT_EQ(in_child([&] { return map_with(root.path(), fault, calls); }), 0)
            << static_cast<int>(kind) << " " << std::strerror(error) << " at call " << fault.at;
        const std::vector<std::uint64_t> made = calls.told();
        if (made.at(0) < fault.at) break;
      }
    }
  }
}

}  // namespace
}  // namespace hypernodes
