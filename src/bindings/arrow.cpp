// SPDX-License-Identifier: MIT
#include "bindings/arrow.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bindings/object_cast.hpp"
#include "bindings/to_python.hpp"
#include "hypernodes/daft_abi.h"
#include "hypernodes/error.hpp"

namespace hypernodes::python {
namespace {

template <typename T>
T* capsule_pointer(nb::handle capsule, const char* name) {
  auto* const pointer = static_cast<T*>(PyCapsule_GetPointer(capsule.ptr(), name));
  if (pointer == nullptr) throw nb::python_error();
  return pointer;
}

/// A capsule that releases what the consumer did not take.
template <typename T>
nb::object make_capsule(std::unique_ptr<T> item, const char* name, PyCapsule_Destructor destroy) {
  nb::object capsule = owned(PyCapsule_New(item.get(), name, destroy));
  item.release();  // NOLINT(bugprone-unused-return-value): the capsule owns it now
  return capsule;
}

template <typename T>
void destroy_capsule(PyObject* capsule) {
  auto* const item = static_cast<T*>(PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule)));
  if (item->release != nullptr) item->release(item);
  delete item;
}

Column import_array(nb::handle object) {
  const nb::object pair = object.attr("__arrow_c_array__")();
  auto* const schema = capsule_pointer<ArrowSchema>(pair[0], "arrow_schema");
  auto* const array = capsule_pointer<ArrowArray>(pair[1], "arrow_array");
  return Column::import_arrow(array, schema);
}

Column import_stream(nb::handle object) {
  const nb::object capsule = object.attr("__arrow_c_stream__")();
  auto* const stream = capsule_pointer<ArrowStream>(capsule, "arrow_array_stream");
  std::vector<Column> chunks;
  while (true) {
    ArrowArray array{};
    if (stream->get_next(stream, &array) != 0) throw TypeError("the Arrow stream failed");
    ArrowSchema schema{};
    if (array.release == nullptr && !chunks.empty()) return Column::concat(chunks);
    if (stream->get_schema(stream, &schema) != 0) throw TypeError("the Arrow stream failed");
    if (array.release == nullptr) {
      const Type type = Column::import_schema(&schema);
      schema.release(&schema);
      return Column::of(type, {});
    }
    chunks.push_back(Column::import_arrow(&array, &schema));
  }
}

}  // namespace

bool import_arrow(nb::handle object, Column* out) try {
  if (nb::hasattr(object, "columns") || nb::hasattr(object, "schema")) return false;  // a table
  if (nb::hasattr(object, "__arrow_c_array__")) {
    *out = import_array(object);
    return true;
  }
  if (nb::hasattr(object, "__arrow_c_stream__")) {
    *out = import_stream(object);
    return true;
  }
  return false;
} catch (const TypeError&) {
  return false;
}

nb::tuple export_arrow(const Column& column) {
  auto schema = std::make_unique<ArrowSchema>();
  auto array = std::make_unique<ArrowArray>();
  column.export_arrow(array.get(), schema.get());
  return nb::make_tuple(
      make_capsule(std::move(schema), "arrow_schema", destroy_capsule<ArrowSchema>),
      make_capsule(std::move(array), "arrow_array", destroy_capsule<ArrowArray>));
}

nb::object ArrowType::schema() const {
  auto schema = std::make_unique<ArrowSchema>();
  Column::export_schema(type, "", schema.get());
  return make_capsule(std::move(schema), "arrow_schema", destroy_capsule<ArrowSchema>);
}

Type import_arrow_type(nb::handle object) {
  const nb::object capsule = object.attr("__arrow_c_schema__")();
  try {
    return Column::import_schema(capsule_pointer<ArrowSchema>(capsule, "arrow_schema"));
  } catch (const TypeError&) {
    return Kind::kObject;
  }
}

Type hinted_type(nb::handle column_type) {
  const nb::object kind_name = column_type.attr("kind");
  const std::string_view kind = text_of(kind_name);
  if (kind == "list") return Type::list(hinted_type(column_type.attr("item")));
  if (kind == "optional") return hinted_type(column_type.attr("item")).optional();
  if (kind == "null") return Kind::kNull;
  if (kind == "bool") return Kind::kBool;
  if (kind == "int64") return Kind::kInt64;
  if (kind == "float64") return Kind::kFloat64;
  if (kind == "string") return Kind::kString;
  if (kind == "bytes") return Kind::kBytes;
  return Kind::kObject;
}

namespace {

/// A list's items as a hint says; any may be None.
ArrowColumn hinted_column(const nb::list& items, nb::handle hint) {
  const Type type = hinted_type(hint);
  const nb::object tuple = owned(PyList_AsTuple(items.ptr()));
  return {cast_items(&PyTuple_GET_ITEM(tuple.ptr(), 0), PyTuple_GET_SIZE(tuple.ptr()),
                     type.kind() == Kind::kNull ? type : type.optional())};
}

}  // namespace

void bind_arrow(nb::module_& module) {
  module.def("hinted_column", hinted_column, nb::arg("items"), nb::arg("hint"));
  nb::class_<ArrowType>(module, "ArrowType").def("__arrow_c_schema__", &ArrowType::schema);
  nb::class_<ArrowColumn>(module, "ArrowColumn")
      .def(
          "__arrow_c_array__",
          [](const ArrowColumn& self, nb::handle) { return export_arrow(self.column); },
          nb::arg("requested_schema") = nb::none())
      .def("to_list", [](const ArrowColumn& self) { return to_list(self.column); });
}

}  // namespace hypernodes::python
