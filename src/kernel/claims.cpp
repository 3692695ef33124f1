// SPDX-License-Identifier: MIT
#include <utility>

#include "kernel/execution.hpp"

// How a batch shares work with others of this process that need the same results.
namespace hypernodes {

Execution::Turn Execution::claim(StepState& state, std::int64_t row, std::uint64_t commits,
                                 bool waits) {
  // A pipeline inside computes nothing itself: its nodes do, and claim.
  if (!keyed(state, row) || state.node().definition().nested != nullptr) return Turn::kRun;
  const Digest key = state.keys[at(row)];
  while (true) {
    switch (claims_->claim(key, record_)) {
      case detail::InFlight::Answer::kClaimed:
        if (writes_->commits_of_others() == commits) return Turn::kRun;
        // It may have been finished, stored and forgotten since the look-up.
        look_in_store(state, {&row, 1}, {&key, 1});
        if (output_lane(state, 0).state(row) == Lane::State::kEmpty) return Turn::kRun;
        claims_->drop();
        return Turn::kTaken;
      case detail::InFlight::Answer::kFinished: {
        std::vector<EncodedOutput> outputs;
        // One that cannot be read here was signed with a key that this cache does not have.
        return take_record(state, row, key, record_, outputs) ? Turn::kTaken : Turn::kRun;
      }
      case detail::InFlight::Answer::kRunning:
        if (!waits) return Turn::kLater;
        if (detail::Engaged::now() || !writes_->in_flight().wait(key)) return Turn::kRun;
        break;
      case detail::InFlight::Answer::kRefused:
        return Turn::kRun;
    }
  }
}

void Execution::claim_rows(StepState& state, Rows& rows, Rows& later) {
  const bool waits = !detail::Engaged::now();  // before the first claim
  std::size_t kept = 0;
  for (const std::int64_t row : rows) {
    const Turn now = claim(state, row, state.commits, /*waits=*/false);
    if (now == Turn::kTaken) continue;
    if (now == Turn::kLater && waits) {
      later.push_back(row);
    } else {
      rows[kept++] = row;
    }
  }
  rows.resize(kept);
}

std::optional<Failure> Execution::run_later(StepState& state, const Rows& later, Rows& ran) {
  std::optional<Failure> failure;
  for (std::size_t next = 0; next < later.size() && later[next] < limit_;) {
    // Waits for one, holding none, and takes all that are done by then.
    Rows mine;
    for (bool first = true; next < later.size() && later[next] < limit_; ++next, first = false) {
      const Turn now = claim(state, later[next], state.commits, /*waits=*/first);
      if (now == Turn::kLater) break;
      if (now == Turn::kRun) mine.push_back(later[next]);
    }
    if (mine.empty()) continue;
    std::optional<Failure> failed = run_all(state, mine, false);
    give_back();
    if (failed) failure = std::move(failed);
    ran.insert(ran.end(), mine.begin(), mine.end());
  }
  return failure;
}

}  // namespace hypernodes
