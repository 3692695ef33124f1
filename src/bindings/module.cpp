// SPDX-License-Identifier: MIT
// The native module `hypernodes._core`: what the Python layer is a thin coat of.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings/arrow.hpp"
#include "bindings/caches.hpp"
#include "bindings/daft.hpp"
#include "bindings/draw.hpp"
#include "bindings/errors.hpp"
#include "bindings/explain.hpp"
#include "bindings/graph.hpp"
#include "bindings/inputs.hpp"
#include "bindings/last_run.hpp"
#include "bindings/node.hpp"
#include "bindings/object_codec.hpp"
#include "bindings/object_runtime.hpp"
#include "bindings/spread.hpp"
#include "bindings/to_python.hpp"
#include "hypernodes/digest.hpp"
#include "hypernodes/map_plan.hpp"

namespace hypernodes::python {
namespace {

/// The data-only encoding of an object, or None if it has none.
nb::object encode(nb::handle object, bool canonical) {
  std::string encoded;
  bool unordered = false;
  if (!encode_object(object.ptr(), canonical, encoded, &unordered)) return nb::none();
  return nb::bytes(encoded.data(), encoded.size());
}

/// 32 bytes that identify an object which is plain data all through, else None.
nb::object plain_digest(nb::handle object) {
  std::string encoded;
  if (!encode_plain(object.ptr(), encoded)) return nb::none();
  const Digest digest = Digest::of_value(encoded);
  return nb::bytes(digest.bytes.data(), digest.bytes.size());
}

nb::object decode(const nb::bytes& encoded) {
  Value value;
  if (!decode_object({encoded.c_str(), encoded.size()}, &value)) {
    throw nb::value_error("these bytes are no encoding of a value");
  }
  return to_python(value);
}

/// For each row of a map, which item of each input it takes.
std::vector<std::vector<std::int64_t>> plan_rows(const std::vector<std::string>& names,
                                                 const std::vector<std::int64_t>& lengths,
                                                 const std::string& map_mode) {
  const MapPlan plan =
      plan_map(names, lengths, map_mode == "product" ? MapMode::kProduct : MapMode::kZip);
  std::vector<std::vector<std::int64_t>> rows;
  for (std::int64_t row = 0; row < plan.rows; ++row) {
    std::vector<std::int64_t>& items = rows.emplace_back();
    for (const MapPlan::Counter& counter : plan.inputs) items.push_back(counter.item(row));
  }
  return rows;
}

}  // namespace
}  // namespace hypernodes::python

NB_MODULE(_core, module) {
  namespace nb = nanobind;
  using namespace hypernodes::python;  // NOLINT(google-build-using-namespace): its own module
  nb::set_leak_warnings(false);        // functions in global pipelines live until the process ends
  install_object_runtime();
  translate_errors();
  bind_statistics(module);
  bind_node(module);
  bind_explain(module);
  bind_graph(module);
  bind_caches(module);
  bind_arrow(module);
  bind_spread(module);
  bind_remote(module);
  bind_daft(module);
  bind_draw(module);
  module.def("encode", encode, nb::arg("object").none(), nb::arg("canonical") = false);
  module.def("plain_digest", plain_digest, nb::arg("object").none());
  module.def("decode", decode, nb::arg("encoded"));
  module.def("map_items", map_items, nb::arg("name"), nb::arg("value").none());
  module.def("plan_rows", plan_rows, nb::arg("names"), nb::arg("lengths"), nb::arg("map_mode"));
}
