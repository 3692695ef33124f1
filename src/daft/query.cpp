// SPDX-License-Identifier: MIT
#include "daft/query.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace hypernodes::daft {
namespace {

thread_local int queries_around = 0;

/// How many threads are inside a query.
struct Inside {
  std::mutex mutex;
  std::condition_variable changed;
  int threads = 0;
};

Inside& inside() {
  static auto* const instance = new Inside;  // Daft's threads may outlive static destructors
  return *instance;
}

/// As many rows as Daft puts into a batch.
constexpr std::int64_t kBatch = 131'072;

}  // namespace

InsideQuery::InsideQuery(bool awaited) : counted_(awaited && queries_around == 0) {
  ++queries_around;
  if (!counted_) return;
  const std::scoped_lock lock(inside().mutex);
  ++inside().threads;
}

InsideQuery::~InsideQuery() {
  --queries_around;
  if (!counted_) return;
  const std::scoped_lock lock(inside().mutex);
  if (--inside().threads == 0) inside().changed.notify_all();
}

bool InsideQuery::now() { return queries_around > 0; }

bool InsideQuery::wait_for_all(std::chrono::milliseconds limit) {
  std::unique_lock lock(inside().mutex);
  return inside().changed.wait_for(lock, limit, [] { return inside().threads == 0; });
}

Spread on_daft(Launch launch) {
  return [launch = std::move(launch)](const std::shared_ptr<RowJob>& job) {
    if (!InsideQuery::now()) {
      launch(OpenJob(job));
      return;
    }
    // A pipeline inside a node that Daft evaluates: Daft's threads are few, and one that waits for
    // a query of its own may wait for ever. Its rows are inside a query already.
    for (std::int64_t row = 0; row < job->rows(); row += kBatch) {
      job->run_rows(row, std::min(kBatch, job->rows() - row));
    }
  };
}

}  // namespace hypernodes::daft
