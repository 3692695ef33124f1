// SPDX-License-Identifier: MIT
#include <cerrno>
#include <memory>
#include <utility>

#include "bindings/arrow.hpp"
#include "bindings/daft.hpp"
#include "hypernodes/daft_abi.h"

namespace hypernodes::python {
namespace {

/// A stream's one batch.
struct Rows {
  Column column;
  bool taken = false;
};

Rows& rows_of(ArrowStream* stream) { return *static_cast<Rows*>(stream->private_data); }

/// No exception may reach the consumer.
template <typename Body>
int guarded(Body&& body) noexcept {
  try {
    body();
    return 0;
  } catch (...) {
    return ENOMEM;
  }
}

int get_schema(ArrowStream* stream, ArrowSchema* out) {
  return guarded([&] { Column::export_schema(rows_of(stream).column.type(), "", out); });
}

int get_next(ArrowStream* stream, ArrowArray* out) {
  return guarded([&] {
    Rows& rows = rows_of(stream);
    *out = {};
    if (std::exchange(rows.taken, true)) return;
    ArrowSchema schema{};
    rows.column.export_arrow(out, &schema);
    schema.release(&schema);
  });
}

void release(ArrowStream* stream) {
  delete &rows_of(stream);
  stream->release = nullptr;
}

void destroy(PyObject* capsule) {
  auto* const stream =
      static_cast<ArrowStream*>(PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule)));
  if (stream->release != nullptr) stream->release(stream);
  delete stream;
}

}  // namespace

ArrowTable::ArrowTable(std::vector<std::pair<std::string, Column>> columns) {
  std::vector<Field> fields;
  std::vector<Column> children;
  const std::int64_t rows = columns.empty() ? 0 : columns.front().second.size();
  for (auto& [name, column] : columns) {
    fields.push_back({std::move(name), column.type()});
    children.push_back(std::move(column));
  }
  rows_ =
      Column::assemble(Type::structure(std::move(fields)), rows, {}, {}, {}, std::move(children));
}

nb::object ArrowTable::stream(nb::handle /*requested_schema*/) const {
  auto stream = std::make_unique<ArrowStream>(
      ArrowStream{get_schema, get_next, [](ArrowStream*) -> const char* { return nullptr; },
                  release, new Rows{rows_}});
  nb::object capsule = owned(PyCapsule_New(stream.get(), "arrow_array_stream", destroy));
  stream.release();  // NOLINT(bugprone-unused-return-value): the capsule owns it now
  return capsule;
}

}  // namespace hypernodes::python
