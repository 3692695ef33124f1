// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "cache/in_flight.hpp"
#include "engine/row_job.hpp"
#include "hypernodes/column.hpp"

/// A run or map as a Daft query over its rows.
///
/// The query has one column of tickets (job and row) and one function, which has the kernel run the
/// nodes on the rows of each batch of tickets that Daft hands it. So a query costs one projection
/// however many nodes there are, and it always succeeds. Daft decides on batches, threads and
/// order.
namespace hypernodes::daft {

/// Marks this thread as one that Daft has evaluate rows, or that such a thread waits for.
class InsideQuery {
 public:
  /// `awaited`: wait_for_all() waits for it, too.
  explicit InsideQuery(bool awaited = true);
  ~InsideQuery();
  InsideQuery(const InsideQuery&) = delete;
  InsideQuery& operator=(const InsideQuery&) = delete;
  static bool now();
  /// Waits until no thread is inside any more. False if that takes longer than `limit`.
  static bool wait_for_all(std::chrono::milliseconds limit);

 private:
  detail::Pooled pooled_;
  const bool counted_;
};

/// A job where Daft's threads find it, by its number, while its query runs.
///
/// A number is used again only after its query went through every row: of one that was broken off,
/// batches may still come.
class OpenJob {
 public:
  /// Throws: Error if four million queries were broken off.
  explicit OpenJob(std::shared_ptr<RowJob> job);
  ~OpenJob();
  OpenJob(const OpenJob&) = delete;
  OpenJob& operator=(const OpenJob&) = delete;

  std::int64_t number() const { return number_; }
  const RowJob* operator->() const { return job_.get(); }

 private:
  std::shared_ptr<RowJob> job_;
  std::int64_t number_;
};

/// Stops all jobs and waits for their threads, but no longer than `limit`: to be called before
/// Python ends, which ends threads in the midst of a node.
void stop_jobs(std::chrono::milliseconds limit);

/// The tickets of rows [first, first + rows) of job `number`.
Column make_tickets(std::int64_t number, std::int64_t first, std::int64_t rows);

/// Runs the rows that `tickets` name. Throws: Error if there is no such job in this process.
void redeem(const Column& tickets);

/// Defines a function in Daft that redeems a column of tickets and returns it. Returns its name.
std::string define_redeem();

/// Runs the Daft query of a job and returns when it has ended: Python's part.
using Launch = std::function<void(const OpenJob& job)>;

/// The engine: has Daft walk over a job's rows. Inside a query they run in place.
Spread on_daft(Launch launch);

}  // namespace hypernodes::daft
