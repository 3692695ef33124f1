// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bindings/python.hpp"
#include "hypernodes/statistics.hpp"

namespace hypernodes::python {

struct Plan;

/// What the last run or map of a pipeline did, in each thread, and what its callers were warned of.
/// Threads: REQUIRES the lock.
class LastRuns {
 public:
  /// After the fast way, which does not count: every node of the plan ran for each row.
  void set(const std::shared_ptr<const Plan>& plan, std::int64_t rows);
  void set(Statistics statistics);
  /// The failures that the last run or map of this thread collected, for Python to see.
  void set_failures(nb::object failures) { mine().failures = std::move(failures); }
  /// Of this thread; None if there is none.
  nb::object get() const;
  /// True the first time that it is asked of this warning.
  bool is_new(const std::string& warning) { return told_.insert(warning).second; }

 private:
  struct Entry {
    unsigned long thread = 0;
    std::shared_ptr<const Plan> plan;  ///< After the fast way; else null, and `counted` counts.
    std::int64_t rows = 0;
    Statistics counted;
    nb::object failures;  ///< Null: none.
  };
  /// This thread's entry, made if it is not there: the first one from now on.
  Entry& mine();

  std::vector<Entry> entries_;
  std::set<std::string> told_;
};

void bind_statistics(nb::module_& module);

}  // namespace hypernodes::python
