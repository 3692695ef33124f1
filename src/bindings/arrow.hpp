// SPDX-License-Identifier: MIT
#pragma once

#include "bindings/python.hpp"
#include "hypernodes/column.hpp"
#include "hypernodes/daft_abi.h"

/// Arrow data from and to Python by the PyCapsule interface, which pyarrow, polars and Daft speak.
namespace hypernodes::python {

/// The Arrow C stream interface, as its specification lays it out.
struct ArrowStream {
  int (*get_schema)(ArrowStream*, ArrowSchema* out);
  int (*get_next)(ArrowStream*, ArrowArray* out);
  const char* (*get_last_error)(ArrowStream*);
  void (*release)(ArrowStream*);
  void* private_data;
};

/// The column of an object with `__arrow_c_array__`. False if it has none, or holds what no type of
/// ours fits.
bool import_arrow(nb::handle object, Column* out);

/// The schema and array capsules of a column (`__arrow_c_array__`). Throws: TypeError for objects.
nb::tuple export_arrow(const Column& column);

/// A column, handed to Python as an Arrow array (`__arrow_c_array__`).
struct ArrowColumn {
  Column column;
};

/// A type, handed to Python as an Arrow type (`__arrow_c_schema__`).
struct ArrowType {
  Type type;
  nb::object schema() const;
};

/// The type of an object with `__arrow_c_schema__`; object if no type of ours fits.
Type import_arrow_type(nb::handle object);

/// A hint of python/hypernodes/hints.py as a type.
Type hinted_type(nb::handle column_type);

void bind_arrow(nb::module_& module);

}  // namespace hypernodes::python
