// SPDX-License-Identifier: MIT
#include "kernel/retry.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "hypernodes/error.hpp"
#include "hypernodes/node.hpp"
#include "kernel/execution.hpp"
#include "values/object_runtime.hpp"

namespace hypernodes {
namespace {

/// How long a waiting thread does not look for signals, and whether it shall go on.
constexpr std::chrono::milliseconds kSlice{50};
/// After a failure the rows that are left are called in blocks that grow while none fails, so that
/// the cost of many failures stays in proportion.
constexpr std::int64_t kFirstBlock = 16;
constexpr std::int64_t kGrowth = 4;

/// Between -1 and 1.
double random_part() {
  thread_local std::minstd_rand generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(-1, 1)(generator);
}

bool ends_program(const std::exception_ptr& error) {
  const detail::ObjectRuntime* const runtime = detail::object_runtime();
  return runtime != nullptr && runtime->ends_program(error);
}

}  // namespace

void check(const Retry& retry) {
  const auto require = [](bool fine, const char* what, const char* fix) {
    if (!fine) throw PlanError(what, "Retry", fix);
  };
  // Written so that a NaN is refused, too.
  require(retry.attempts >= 1, "A retry needs at least one attempt",
          "attempts counts every call, the first included: attempts=3 calls up to three times");
  require(retry.delay.count() >= 0, "A retry cannot wait a negative time",
          "give delay in seconds, from 0");
  require(retry.backoff >= 1, "A retry's backoff must be at least 1",
          "2 doubles each wait, 1 keeps them equal");
  require(retry.max_delay.count() >= 0, "A retry cannot wait a negative time at most",
          "give max_delay in seconds, from 0");
  require(retry.jitter >= 0 && retry.jitter <= 1, "A retry's jitter must be from 0 to 1",
          "it is the part of a wait that is left to chance: 0.1 adds or takes off up to a tenth");
}

std::optional<double> next_attempt(const Retry* retry, const std::exception_ptr& error,
                                   std::int64_t made) {
  if (retry == nullptr || made >= retry->attempts || ends_program(error)) return std::nullopt;
  if (retry->on && !retry->on(error)) return std::nullopt;
  if (retry->delay.count() == 0) return 0;
  const double grown =
      retry->delay.count() * std::pow(retry->backoff, static_cast<double>(made - 1));
  const double delay = std::min(grown, retry->max_delay.count());
  return retry->jitter > 0 ? delay * (1 + retry->jitter * random_part()) : delay;
}

void wait_for_attempt(double seconds, const std::function<bool()>& stopped) {
  if (!(seconds > 0)) return;
  using Seconds = std::chrono::duration<double>;
  const auto start = Clock::now();
  while (!(stopped && stopped())) {
    const Seconds left = Seconds(seconds) - (Clock::now() - start);
    if (left.count() <= 0) return;
    {
      const detail::Suspended others_may_run;
      std::this_thread::sleep_for(std::min<Seconds>(left, kSlice));
    }
    if (const auto* const runtime = detail::object_runtime()) runtime->check_signals();
  }
}

Node Node::retry(const Retry& retry) const {
  check(retry);
  if (definition_->nested != nullptr) {
    throw PlanError("Pipeline '" + name() + "' cannot be retried as a whole", {},
                    "give retry to the nodes inside that may fail");
  }
  Definition definition = *definition_;
  definition.retry = std::make_shared<const Retry>(retry);
  return Node(std::move(definition));
}

// Calls of an execution that are made again -------------------------------------------------------

bool Execution::wait_to_retry(StepState& state, std::int64_t row, std::int64_t attempt,
                              double delay, const std::exception_ptr& error) {
  tell_retry(state, {row, attempt, delay, error});
  wait_for_attempt(delay, [this] { return context_.stopped(); });
  return !context_.stopped();
}

bool Execution::left_changed(StepState& state, std::int64_t row, std::uint64_t before) {
  judge(state, {&row, 1}, before, /*alone=*/false);
  return trust_ == Trust::kDrop || has_changed(state, row);
}

BatchResult Execution::call_again(const StepState& state, const std::vector<Column>& columns,
                                  std::int64_t count, BatchResult result, std::int64_t* waited) {
  const Node::Definition& definition = state.node().definition();
  const bool one_call = takes_whole_batch(state);
  std::vector<std::vector<Column>> parts(state.outputs());
  std::vector<RetriedCall> retried;
  std::int64_t done = 0;
  std::int64_t made = 0;  // calls for row `done`
  std::int64_t block = count;
  while (true) {
    if (result.done > 0) made = 0;
    for (std::size_t i = 0; i < parts.size() && result.done > 0; ++i) {
      parts[i].push_back(std::move(result.outputs[i]));
    }
    done += result.done;
    if (!result.error && done == count) break;
    block *= kGrowth;
    if (result.error) {
      const auto delay = next_attempt(definition.retry.get(), result.error, ++made);
      if (!delay) break;
      retried.push_back({one_call ? -1 : done, made, *delay, result.error});
      const auto start = Clock::now();
      wait_for_attempt(*delay, [this] { return context_.stopped(); });
      *waited += nanoseconds_since(start);
      if (context_.stopped()) break;
      block = kFirstBlock;
    }
    if (one_call) {
      result = call_once(state, columns, count);
      continue;
    }
    const std::int64_t size = std::min(block, count - done);
    std::vector<Column> some;
    some.reserve(columns.size());
    for (const Column& column : columns) some.push_back(column.slice(done, size));
    result = call_once(state, some, size);
  }
  BatchResult all;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    all.outputs.push_back(parts[i].empty() ? std::move(result.outputs[i])
                                           : Column::concat(parts[i]));
  }
  all.done = done;
  all.error = result.error;
  all.retried = std::move(retried);
  return all;
}

}  // namespace hypernodes
