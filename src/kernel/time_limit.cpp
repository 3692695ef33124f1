// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cache/in_flight.hpp"
#include "hypernodes/error.hpp"
#include "hypernodes/node.hpp"
#include "values/object_runtime.hpp"

// Calls that may take so long and no longer.
namespace hypernodes {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

/// How long a waiting thread does not look for signals.
constexpr std::chrono::milliseconds kSlice{50};
/// No clock counts further.
constexpr Seconds kLongest = std::chrono::hours{24 * 365};

/// What the thread of a call and the one that waits for it share; the last to leave drops it.
template <typename Result>
struct Call {
  std::mutex mutex;
  std::condition_variable ended;
  bool over = false;
  std::optional<Result> result;
  std::exception_ptr error;
};

/// What `function` returns or throws, if it does so within `limit`; else nothing, and it goes on.
template <typename Function, typename Result = std::invoke_result_t<Function>>
std::optional<Result> within(Seconds limit, Function function) {
  const auto call = std::make_shared<Call<Result>>();
  std::thread([call, function = std::move(function)]() mutable {
    // Whoever waits for this call may hold what others wait for.
    const detail::Engaged waits_for_nobody;
    std::optional<Result> result;
    std::exception_ptr error;
    try {
      result = function();
    } catch (...) {
      error = std::current_exception();
    }
    const std::lock_guard lock(call->mutex);
    call->result = std::move(result);
    call->error = std::move(error);
    call->over = true;
    call->ended.notify_all();
  }).detach();
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(limit);
  while (true) {
    {
      const detail::Suspended others_may_run;  // first: its lock is never asked for holding ours
      std::unique_lock lock(call->mutex);
      const auto until = std::min(end, Clock::now() + kSlice);
      if (call->ended.wait_until(lock, until, [&] { return call->over; })) break;
    }
    if (const auto* const runtime = detail::object_runtime()) runtime->check_signals();
    if (Clock::now() >= end) return std::nullopt;
  }
  if (call->error) std::rethrow_exception(call->error);
  return std::move(call->result);
}

class TimeLimitedBody final : public NodeBody {
 public:
  TimeLimitedBody(std::shared_ptr<const NodeBody> body, std::size_t inputs, std::size_t outputs,
                  Seconds limit)
      : body_(std::move(body)), inputs_(inputs), outputs_(outputs), limit_(limit) {}

  void run_row(const Value* const* arguments, Value* outputs) const override {
    std::vector<Value> given;
    given.reserve(inputs_);
    for (std::size_t i = 0; i < inputs_; ++i) given.push_back(*arguments[i]);
    const auto made =
        within(limit_, [body = body_, given = std::move(given), count = outputs_]() mutable {
          std::vector<const Value*> pointers;
          pointers.reserve(given.size());
          for (const Value& value : given) pointers.push_back(&value);
          std::vector<Value> results(count);
          body->run_row(pointers.data(), results.data());
          return results;
        });
    if (!made) refuse();
    std::copy(made->begin(), made->end(), outputs);
  }

  BatchResult run_whole_batch(std::span<const BatchArgument> arguments, std::int64_t rows,
                              std::span<const NodeOutput> outputs) const override {
    auto made =
        within(limit_, [body = body_,
                        given = std::vector<BatchArgument>(arguments.begin(), arguments.end()),
                        rows, kinds = std::vector<NodeOutput>(outputs.begin(), outputs.end())] {
          return body->run_whole_batch(given, rows, kinds);
        });
    if (!made) refuse();
    return *std::move(made);
  }

 private:
  /// make_failure() knows which node it is, and the row.
  [[noreturn]] void refuse() const {
    std::ostringstream text;
    text << "it took longer than its time limit of " << limit_.count() << " s";
    throw NodeTimeoutError("", -1, text.str());
  }

  std::shared_ptr<const NodeBody> body_;
  std::size_t inputs_, outputs_;
  Seconds limit_;
};

}  // namespace

Node Node::timeout(std::chrono::duration<double> limit) const {
  if (!(limit.count() > 0)) {
    throw PlanError("A time limit must be positive", "node '" + name() + "'",
                    "give it in seconds, or leave it out");
  }
  if (definition_->nested != nullptr) {
    throw PlanError("Pipeline '" + name() + "' cannot have a time limit as a whole", {},
                    "give timeout to the nodes inside that may take too long");
  }
  Definition definition = *definition_;
  definition.body =
      std::make_shared<TimeLimitedBody>(definition.body, definition.inputs.size(),
                                        definition.outputs.size(), std::min(limit, kLongest));
  return Node(std::move(definition));
}

}  // namespace hypernodes
