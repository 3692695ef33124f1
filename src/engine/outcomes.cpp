// SPDX-License-Identifier: MIT
#include "engine/outcomes.hpp"

#include <utility>

#include "kernel/lane.hpp"

namespace hypernodes {

std::vector<std::int64_t> good_rows(const std::vector<RowFailure>& failures, std::int64_t rows) {
  std::vector<bool> bad(at(rows), false);
  for (const RowFailure& failure : failures) bad[at(failure.row)] = true;
  std::vector<std::int64_t> good;
  for (std::int64_t row = 0; row < rows; ++row) {
    if (!bad[at(row)]) good.push_back(row);
  }
  return good;
}

void keep_rows(const Graph& graph, const Selection& selection,
               const std::vector<std::int64_t>& rows, std::vector<Pieces>* outputs) {
  for (std::size_t i = 0; i < outputs->size(); ++i) {
    const Type& type = graph.slot_type(selection.outputs[i]);
    auto next = rows.begin();
    std::int64_t first = 0;
    for (Column& piece : (*outputs)[i]) {
      std::vector<std::int64_t> taken;
      const std::int64_t end = first + piece.size();
      for (; next != rows.end() && *next < end; ++next) taken.push_back(*next - first);
      const Column kept = std::ssize(taken) == piece.size() ? std::move(piece) : piece.take(taken);
      const bool widened = !type.nullable() && kept.type() == type.optional();
      piece = widened ? kept.cast(type) : kept;
      first = end;
    }
  }
}

Columns join_outcomes(const Graph& graph, const Selection& selection, std::vector<Pieces> outputs,
                      std::int64_t rows, OnError on_error, Statistics statistics) {
  std::vector<std::int64_t> good;
  if (on_error == OnError::kCollect) {
    good = good_rows(statistics.failures, rows);
    keep_rows(graph, selection, good, &outputs);
  }
  Columns joined = join(graph, selection, outputs, std::move(statistics));
  joined.good_rows = std::move(good);
  return joined;
}

}  // namespace hypernodes
