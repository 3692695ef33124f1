// SPDX-License-Identifier: MIT
#include <mutex>
#include <utility>

#include "daft/native_function.hpp"
#include "daft/query.hpp"
#include "hypernodes/error.hpp"

// Tickets: how a row of a Daft query finds the job that it belongs to.
namespace hypernodes::daft {
namespace {

constexpr int kRowBits = 40;
constexpr std::int64_t kRowMask = (std::int64_t{1} << kRowBits) - 1;
constexpr std::size_t kMaxJobs = std::size_t{1} << 22;

/// The jobs whose queries run now, by number.
struct Table {
  std::mutex mutex;
  std::vector<std::shared_ptr<RowJob>> jobs;
  std::vector<std::int64_t> unused;
};

Table& table() {
  static auto* const instance = new Table;  // Daft's threads may outlive static destructors
  return *instance;
}

/// Null if the job's query was broken off.
std::shared_ptr<RowJob> find_job(std::int64_t number) {
  Table& all = table();
  const std::scoped_lock lock(all.mutex);
  if (number < 0 || static_cast<std::size_t>(number) >= all.jobs.size()) {
    throw Error("Daft handed over rows of a run that this process knows nothing of", {},
                "run() and map() need Daft's native runner; elsewhere use engine.dataframe()");
  }
  return all.jobs[static_cast<std::size_t>(number)];
}

class RedeemFunction final : public NativeFunction {
 public:
  Type result_type(std::span<const Type> arguments) const override {
    if (arguments.size() != 1 || arguments[0].kind() != Kind::kInt64) {
      throw TypeError("expected one column of tickets");
    }
    return arguments[0];
  }
  Column call(std::span<const Column> arguments) const override {
    redeem(arguments[0]);
    return arguments[0];
  }
};

}  // namespace

OpenJob::OpenJob(std::shared_ptr<RowJob> job) : job_(std::move(job)) {
  Table& all = table();
  const std::scoped_lock lock(all.mutex);
  if (!all.unused.empty()) {
    number_ = all.unused.back();
    all.unused.pop_back();
  } else {
    if (all.jobs.size() >= kMaxJobs) throw Error("too many Daft queries were broken off");
    number_ = static_cast<std::int64_t>(all.jobs.size());
    all.jobs.emplace_back();
  }
  all.jobs[static_cast<std::size_t>(number_)] = job_;
}

OpenJob::~OpenJob() {
  Table& all = table();
  const std::scoped_lock lock(all.mutex);
  all.jobs[static_cast<std::size_t>(number_)]
      .reset();  // job_ keeps it: nothing dies under the lock
  if (job_->complete()) {
    all.unused.push_back(number_);
  } else {
    job_->stop();
  }
}

void stop_jobs(std::chrono::milliseconds limit) {
  {
    const std::scoped_lock lock(table().mutex);
    for (const std::shared_ptr<RowJob>& job : table().jobs) {
      if (job != nullptr) job->stop();
    }
  }
  InsideQuery::wait_for_all(limit);
}

Column make_tickets(std::int64_t number, std::int64_t first, std::int64_t rows) {
  Buffer buffer = Buffer::allocate(static_cast<std::size_t>(rows) * sizeof(std::int64_t));
  auto* const tickets = buffer.mutable_as<std::int64_t>();
  const std::int64_t base = (number << kRowBits) + first;
  for (std::int64_t i = 0; i < rows; ++i) tickets[i] = base + i;
  return Column::assemble(Kind::kInt64, rows, {}, {}, std::move(buffer));
}

void redeem(const Column& tickets) {
  const InsideQuery inside_query;
  const std::int64_t* const ticket = tickets.int64s();
  const std::int64_t count = tickets.size();
  for (std::int64_t begin = 0; begin < count;) {
    std::int64_t end = begin + 1;
    while (end < count && ticket[end] == ticket[end - 1] + 1) ++end;
    const std::shared_ptr<RowJob> job = find_job(ticket[begin] >> kRowBits);
    if (job != nullptr) job->run_rows(ticket[begin] & kRowMask, end - begin);
    begin = end;
  }
}

std::string define_redeem() { return define_function("run", std::make_shared<RedeemFunction>()); }

}  // namespace hypernodes::daft
