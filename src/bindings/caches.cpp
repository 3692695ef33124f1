// SPDX-License-Identifier: MIT
#include "bindings/caches.hpp"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "bindings/object_codec.hpp"
#include "bindings/to_python.hpp"
#include "cache/record.hpp"
#include "hypernodes/error.hpp"
#include "kernel/node_record.hpp"

namespace hypernodes::python {
namespace {

/// The record of one output, or of each item of several. False if a value has no encoding.
bool make_record(const Digest& key, std::span<const nb::object> values, std::string& record) {
  std::vector<std::string> payloads(values.size());
  std::vector<EncodedOutput> outputs(values.size());
  std::string canonical;
  for (std::size_t i = 0; i < values.size(); ++i) {
    canonical.clear();
    bool unordered = false;
    if (!encode_object(values[i].ptr(), false, payloads[i], &unordered) ||
        !encode_object(values[i].ptr(), true, canonical, &unordered)) {
      return false;
    }
    outputs[i] = {Digest::of_value(canonical), payloads[i]};
  }
  append_outputs(key, 0, outputs, record);
  return true;
}

nb::object decoded(std::string_view payload) {
  Value value;
  return decode_object(payload, &value) ? to_python(value) : nb::object();
}

/// What a record holds: a value, or several in a list. Empty if it is damaged.
std::vector<nb::object> read_record(const Digest& key, std::string_view bytes, bool* several) {
  constexpr std::size_t kMost = 256;
  const std::optional<Record> record = parse_record(key, bytes);
  if (!record || record->codec != Codec::kValue) return {};
  *several = record->value == Digest{};  // no value has this digest
  std::vector<EncodedOutput> outputs;
  std::size_t count = *several ? 2 : 1;
  while (count <= kMost && !parse_outputs(key, bytes, count, outputs)) ++count;
  if (count > kMost) return {};
  std::vector<nb::object> values;
  for (const EncodedOutput& output : outputs) {
    values.push_back(decoded(output.payload));
    if (!values.back().is_valid()) return {};
  }
  return values;
}

nb::object tuple_of(const std::vector<nb::object>& values) {
  nb::object tuple = owned(PyTuple_New(static_cast<Py_ssize_t>(values.size())));
  for (std::size_t i = 0; i < values.size(); ++i) {
    PyTuple_SET_ITEM(tuple.ptr(), static_cast<Py_ssize_t>(i),
                     nb::object(values[i]).release().ptr());
  }
  return tuple;
}

/// A signature is a key as it is; any other text stands for one.
Digest key_of(const std::string& text) {
  Digest key;
  return Digest::parse(text, &key) ? key : Digest::of_bytes("hypernodes text key\n" + text);
}

bool has_key(DiskCache& self, const std::string& key) {
  const Digest digest = key_of(key);
  bool found = false;
  const nb::gil_scoped_release others_may_run;
  self.get_many({&digest, 1}, [&](std::size_t, std::string_view record) {
    found = parse_record(digest, record).has_value();
  });
  return found;
}

nb::object get_key(DiskCache& self, const std::string& key) {
  const Digest digest = key_of(key);
  std::string bytes;
  {
    const nb::gil_scoped_release others_may_run;
    self.get_many({&digest, 1}, [&](std::size_t, std::string_view record) { bytes = record; });
  }
  bool several = false;
  const std::vector<nb::object> values = read_record(digest, bytes, &several);
  if (values.empty()) return nb::none();
  return several ? tuple_of(values) : values.front();
}

void put_key(DiskCache& self, const std::string& key, nb::handle value) {
  const Digest digest = key_of(key);
  const nb::object one = nb::borrow(value);
  std::string bytes;
  if (!make_record(digest, {&one, 1}, bytes)) {
    throw TypeError("The cache cannot store " + type_text(value), "key '" + key + "'",
                    "put numbers, text, bytes, lists, tuples, dicts, sets or arrays of them");
  }
  const std::string_view record = bytes;
  const nb::gil_scoped_release others_may_run;
  self.put_many({&digest, 1}, {&record, 1});
}

/// A cache written in Python: one entry for each node result, its value the Python value; several
/// outputs are a tuple of a type of their own. What it raises makes it an empty cache.
class PythonCache final : public Cache {
 public:
  explicit PythonCache(nb::handle cache)
      : cache_(object_value(cache.ptr())),
        several_(object_value(package_attribute("cache", "_Outputs").ptr())) {}

  void get_many(std::span<const Digest> keys, const Visitor& visit) override {
    const Locked lock;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      guarded([&] {
        const nb::object key = str_of(keys[i].hex());
        const int there = PyObject_IsTrue(nb::object(object().attr("has")(key)).ptr());
        check(there);
        if (there == 0) return;
        const nb::object value = object().attr("get")(key);
        std::vector<nb::object> values;
        if (Py_TYPE(value.ptr()) == several_.as_object()) {
          for (const nb::handle item : value) values.push_back(nb::borrow(item));
        } else {
          values.push_back(value);
        }
        std::string record;
        if (make_record(keys[i], values, record)) visit(i, record);
      });
    }
  }

  void put_many(std::span<const Digest> keys, std::span<const std::string_view> records) override {
    const Locked lock;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      guarded([&] {
        bool several = false;
        const std::vector<nb::object> values = read_record(keys[i], records[i], &several);
        if (values.empty()) return;
        nb::object value = values.front();
        if (several) {
          value = owned(PyObject_CallOneArg(static_cast<PyObject*>(several_.as_object()),
                                            tuple_of(values).ptr()));
        }
        object().attr("put")(str_of(keys[i].hex()), value);
      });
    }
  }

  void clear() override {
    const Locked lock;
    guarded([&] { object().attr("clear")(); });
  }

  std::string warning() const override {
    const std::lock_guard lock(mutex_);
    return warning_;
  }

  nb::object object() const { return to_python(cache_); }

 private:
  template <typename Work>
  void guarded(Work&& work) {
    try {
      work();
    } catch (const nb::python_error& error) {
      const std::lock_guard lock(mutex_);
      warning_ = error.what();
    }
  }

  Value cache_, several_;
  mutable std::mutex mutex_;
  std::string warning_;
};

}  // namespace

std::shared_ptr<Cache> cache_of(nb::handle cache) {
  if (cache.is_none()) return nullptr;
  if (nb::isinstance(cache, package_attribute("cache", "DiskCache"))) {
    return nb::cast<std::shared_ptr<DiskCache>>(cache.attr("_store"));
  }
  if (nb::isinstance(cache, package_attribute("cache", "Cache"))) {
    return std::make_shared<PythonCache>(cache);
  }
  throw TypeError(
      "cache must be a Cache, got " + type_text(cache), {},
      "pass DiskCache(path), or an object of a class derived from hypernodes.cache.Cache");
}

nb::object cache_object(Cache* cache) {
  if (auto* const python = dynamic_cast<PythonCache*>(cache)) return python->object();
  if (auto* const disk = dynamic_cast<DiskCache*>(cache)) {
    return package_attribute("cache", "DiskCache")(str_of(disk->directory().string()));
  }
  return nb::none();
}

void bind_caches(nb::module_& module) {
  nb::class_<DiskCache>(module, "DiskStore")
      .def(
          "__init__", [](DiskCache* self, const std::string& path) { new (self) DiskCache(path); },
          nb::arg("path"))
      .def("has", has_key, nb::arg("key"))
      .def("get", get_key, nb::arg("key"))
      .def("put", put_key, nb::arg("key"), nb::arg("value").none())
      .def("clear", &DiskCache::clear, nb::call_guard<nb::gil_scoped_release>())
      .def("flush", &DiskCache::flush, nb::call_guard<nb::gil_scoped_release>())
      .def("__len__", &DiskCache::size)
      .def_prop_ro("warning", &DiskCache::warning);
}

}  // namespace hypernodes::python
