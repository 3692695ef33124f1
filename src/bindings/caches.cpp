// SPDX-License-Identifier: MIT
#include "bindings/caches.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "bindings/object_codec.hpp"
#include "bindings/object_pickle.hpp"
#include "bindings/to_python.hpp"
#include "cache/in_flight.hpp"
#include "cache/pickle_key.hpp"
#include "cache/record.hpp"
#include "hypernodes/error.hpp"
#include "kernel/node_record.hpp"

namespace hypernodes::python {
namespace {

/// The record of one output, or of each item of several. False if a value has no encoding or may
/// not be pickled, with the reason in `why`.
bool make_record(const Digest& key, std::span<const nb::object> values, detail::PickleKey& pickle,
                 std::string& record, std::string* why) {
  std::vector<std::string> payloads(values.size());
  std::vector<EncodedOutput> outputs(values.size());
  std::string canonical;
  std::string_view secret;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto encode = [&](bool in_canonical_form, std::string& out, bool* unordered) {
      return encode_object(values[i].ptr(), in_canonical_form, out, unordered);
    };
    if (encode_output(encode, payloads[i], canonical, &outputs[i])) continue;
    if (secret.empty()) secret = pickle.for_writing(why);
    payloads[i].assign(1, kPickleMark);
    if (secret.empty() || !pickle_value(object_value(values[i].ptr()), payloads[i], why)) {
      return false;
    }
    Digest digest = outputs[i].digest;
    if (!Lane::known(digest)) digest = digest_of_pickle(key, payloads[i]);
    outputs[i] = {digest, payloads[i], /*pickled=*/true};
  }
  append_outputs(key, 0, outputs, record, secret);
  return true;
}

nb::object decoded(const EncodedOutput& output) {
  Value value;
  const bool sound = output.pickled ? unpickle_value(output.payload.substr(1), &value)
                                    : decode_object(output.payload, &value);
  return sound ? to_python(value) : nb::object();
}

/// What a record holds: a value, or several in a list. Empty if it is damaged. REQUIRES: nobody
/// else can write to `bytes`.
std::vector<nb::object> read_record(const Digest& key, std::string_view bytes,
                                    detail::PickleKey& pickle, bool* several) {
  std::vector<EncodedOutput> outputs;
  const std::string_view secret = claims_pickle(bytes) ? pickle.for_reading() : std::string_view();
  if (!parse_outputs(key, bytes, kAnyCount, outputs, secret)) return {};
  *several = outputs.size() != 1;
  std::vector<nb::object> values;
  for (const EncodedOutput& output : outputs) {
    values.push_back(decoded(output));
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

/// A signature is a key as it is; any other text stands for one. Throws: TypeError for no text.
Digest key_of(nb::handle key) {
  if (!PyUnicode_Check(key.ptr())) {
    throw TypeError("A key of a cache is a str, got " + type_text(key), "DiskCache",
                    "use a signature, or any other text");
  }
  const nb::object bytes = owned(PyUnicode_AsEncodedString(key.ptr(), "utf-8", "surrogatepass"));
  const std::string text(PyBytes_AS_STRING(bytes.ptr()),
                         static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.ptr())));
  Digest digest;
  return Digest::parse(text, &digest) ? digest : Digest::of_bytes("hypernodes text key\n" + text);
}

/// A copy of the record of `key`, which only this process can write to; empty if there is none.
std::string record_of(DiskCache& cache, const Digest& key) {
  std::string bytes;
  const nb::gil_scoped_release others_may_run;
  cache.get_many({&key, 1}, [&](std::size_t, std::string_view record) { bytes = record; });
  return bytes;
}

bool has_key(DiskCache& self, nb::handle key) {
  const Digest digest = key_of(key);
  const std::string bytes = record_of(self, digest);
  const std::string_view secret =
      claims_pickle(bytes) ? self.pickle_key()->for_reading() : std::string_view();
  return parse_record(digest, bytes, secret).has_value();
}

nb::object get_key(DiskCache& self, nb::handle key) {
  const Digest digest = key_of(key);
  const std::string bytes = record_of(self, digest);
  bool several = false;
  const std::vector<nb::object> values = read_record(digest, bytes, *self.pickle_key(), &several);
  if (values.empty()) return nb::none();
  return several ? tuple_of(values) : values.front();
}

void put_key(DiskCache& self, nb::handle key, nb::handle value) {
  const Digest digest = key_of(key);
  const nb::object one = nb::borrow(value);
  std::string bytes, why;
  if (!make_record(digest, {&one, 1}, *self.pickle_key(), bytes, &why)) {
    throw TypeError("The cache cannot store " + type_text(value) + ": " + why,
                    "key " + std::string(text_of(nb::repr(key))),
                    "put data, or objects that pickle in a cache that allows it");
  }
  const std::string_view record = bytes;
  const nb::gil_scoped_release others_may_run;
  self.put_many({&digest, 1}, {&record, 1});
}

/// Signs the records between the kernel and caches written in Python, which leave the process only
/// as the values that those caches get.
detail::PickleKey& process_key() {
  static const std::unique_ptr<detail::PickleKey> key = detail::PickleKey::ephemeral();
  return *key;
}

/// The table of a cache written in Python: each run makes a PythonCache of its own. REQUIRES: the
/// lock.
std::shared_ptr<detail::InFlight> table_of(nb::handle cache) {
  // An address belongs to one object for as long as a PythonCache, and so a table, is about it.
  static auto* const tables = new std::map<void*, std::weak_ptr<detail::InFlight>>;
  std::erase_if(*tables, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<detail::InFlight>& known = (*tables)[cache.ptr()];
  std::shared_ptr<detail::InFlight> table = known.lock();
  if (table == nullptr) known = table = std::make_shared<detail::InFlight>();
  return table;
}

/// A cache written in Python: one entry for each node result, its value the Python value; several
/// outputs are a tuple of a type of their own. What it raises makes it an empty cache.
class PythonCache final : public Cache {
 public:
  explicit PythonCache(nb::handle cache)
      : cache_(object_value(cache.ptr())),
        several_(object_value(package_attribute("cache", "_Outputs").ptr())),
        table_(table_of(cache)) {}

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
        std::string record, why;
        if (make_record(keys[i], values, process_key(), record, &why)) visit(i, record);
      });
    }
  }

  void put_many(std::span<const Digest> keys, std::span<const std::string_view> records) override {
    const Locked lock;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      guarded([&] {
        bool several = false;
        const std::vector<nb::object> values =
            read_record(keys[i], records[i], process_key(), &several);
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

  detail::PickleKey* pickle_key() override { return &process_key(); }
  detail::InFlight& in_flight() override { return *table_; }

  nb::object object() const { return to_python(cache_); }

 private:
  template <typename Work>
  void guarded(Work&& work) {
    try {
      work();
    } catch (const nb::python_error& error) {
      if (!error.matches(PyExc_Exception)) throw;
      const nb::object text = nb::str(error.value());
      const std::lock_guard lock(mutex_);
      warning_ = "cache " + type_text(object()) +
                 " failed, which counts as a miss: " + type_text(error.value()) + ": " +
                 std::string(text_of(text));
    }
  }

  Value cache_, several_;
  const std::shared_ptr<detail::InFlight> table_;  // goes before the object
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
          "__init__",
          [](DiskCache* self, const std::string& path, bool allow_pickle,
             const std::optional<nb::bytes>& pickle_key) {
            DiskCacheOptions options{.allow_pickle = allow_pickle};
            if (pickle_key) options.pickle_key.emplace(pickle_key->c_str(), pickle_key->size());
            new (self) DiskCache(path, options);
          },
          nb::arg("path"), nb::arg("allow_pickle"), nb::arg("pickle_key").none())
      .def("has", has_key, nb::arg("key").none())
      .def("get", get_key, nb::arg("key").none())
      .def("put", put_key, nb::arg("key").none(), nb::arg("value").none())
      .def("clear", &DiskCache::clear, nb::call_guard<nb::gil_scoped_release>())
      .def("flush", &DiskCache::flush, nb::call_guard<nb::gil_scoped_release>())
      .def("__len__", &DiskCache::size)
      .def_prop_ro("warning", &DiskCache::warning);
}

}  // namespace hypernodes::python
