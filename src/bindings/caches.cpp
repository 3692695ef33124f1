// SPDX-License-Identifier: MIT
#include "bindings/caches.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <chrono>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "bindings/object_codec.hpp"
#include "bindings/object_pickle.hpp"
#include "bindings/to_python.hpp"
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
    throw TypeError("A key of a cache is a str, got " + type_text(key),
                    "key " + std::string(text_of(nb::repr(key))),
                    "use a signature, or any other text");
  }
  const nb::object bytes = owned(PyUnicode_AsEncodedString(key.ptr(), "utf-8", "surrogatepass"));
  const std::string text(PyBytes_AS_STRING(bytes.ptr()),
                         static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.ptr())));
  Digest digest;
  return Digest::parse(text, &digest) ? digest : Digest::of_bytes("hypernodes text key\n" + text);
}

/// Copies of the records of `keys`, which only this process can write to; empty where there is
/// none.
std::vector<std::string> records_of(Cache& cache, std::span<const Digest> keys) {
  std::vector<std::string> records(keys.size());
  const nb::gil_scoped_release others_may_run;
  cache.get_many(keys, [&](std::size_t i, std::string_view record) { records[i] = record; });
  return records;
}

/// The value of a record, a tuple if it has several; invalid if there is none.
nb::object value_of(Cache& cache, const Digest& key, std::string_view record) {
  bool several = false;
  const std::vector<nb::object> values = read_record(key, record, *cache.pickle_key(), &several);
  if (values.empty()) return {};
  return several ? tuple_of(values) : values.front();
}

bool has_key(Cache& self, nb::handle key) {
  const Digest digest = key_of(key);
  const std::string bytes = records_of(self, {&digest, 1}).front();
  const std::string_view secret =
      claims_pickle(bytes) ? self.pickle_key()->for_reading() : std::string_view();
  return parse_record(digest, bytes, secret).has_value();
}

nb::object get_key(Cache& self, nb::handle key) {
  const Digest digest = key_of(key);
  const nb::object value = value_of(self, digest, records_of(self, {&digest, 1}).front());
  return value.is_valid() ? value : nb::none();
}

nb::dict get_keys(Cache& self, const nb::list& keys) {
  std::vector<nb::object> names;
  std::vector<Digest> digests;
  for (const nb::handle key : keys) {
    names.push_back(nb::borrow(key));
    digests.push_back(key_of(key));
  }
  const std::vector<std::string> records = records_of(self, digests);
  nb::dict values;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (records[i].empty()) continue;
    const nb::object value = value_of(self, digests[i], records[i]);
    if (value.is_valid()) values[names[i]] = value;
  }
  return values;
}

/// All, or none if one of them cannot be stored.
void put_keys(Cache& self, const nb::dict& values) {
  std::vector<Digest> digests;
  std::vector<std::string> records;
  for (const auto [key, value] : values) {
    const nb::object one = nb::borrow(value);
    const Digest& digest = digests.emplace_back(key_of(key));
    std::string why;
    if (!make_record(digest, {&one, 1}, *self.pickle_key(), records.emplace_back(), &why)) {
      throw TypeError("The cache cannot store " + type_text(value) + ": " + why,
                      "key " + std::string(text_of(nb::repr(key))),
                      "put data, or objects that pickle in a cache that allows it");
    }
  }
  const std::vector<std::string_view> views(records.begin(), records.end());
  const nb::gil_scoped_release others_may_run;
  self.put_many(digests, views);
}

template <typename Work>
auto without_lock(Work&& work) {
  const nb::gil_scoped_release others_may_run;
  return work();
}

nb::dict statistics_of(Cache& self) {
  const CacheStatistics found = without_lock([&] { return self.statistics(); });
  nb::dict statistics;
  statistics["records"] = found.records;
  statistics["bytes"] = found.bytes;
  statistics["max_bytes"] =
      found.max_bytes == 0 ? nb::none() : nb::object(nb::int_(found.max_bytes));
  statistics["hits"] = found.hits;
  statistics["misses"] = found.misses;
  statistics["stores"] = found.stores;
  statistics["evicted"] = found.evicted;
  statistics["expired"] = found.expired;
  return statistics;
}

nb::dict verify_records(Cache& self) {
  const CacheVerification found = without_lock([&] { return self.verify(); });
  nb::dict result;
  result["records"] = found.records;
  result["damaged"] = found.damaged;
  result["foreign"] = found.foreign;
  return result;
}

/// Signs the records between the kernel and caches written in Python, which leave the process only
/// as the values that those caches get.
detail::PickleKey& process_key() {
  static const std::unique_ptr<detail::PickleKey> key = detail::PickleKey::ephemeral();
  return *key;
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
  mutable std::mutex mutex_;
  std::string warning_;
};

}  // namespace

std::shared_ptr<Cache> cache_of(nb::handle cache) {
  if (cache.is_none()) return nullptr;
  if (nb::isinstance(cache, package_attribute("cache", "_NativeCache"))) {
    return nb::cast<std::shared_ptr<Cache>>(cache.attr("_store"));
  }
  if (nb::isinstance(cache, package_attribute("cache", "Cache"))) {
    return std::make_shared<PythonCache>(cache);
  }
  throw TypeError("cache must be a Cache, got " + type_text(cache), {},
                  "pass DiskCache(path), MemoryCache(), or an object of a class derived from "
                  "hypernodes.cache.Cache");
}

nb::object cache_object(Cache* cache) {
  if (auto* const python = dynamic_cast<PythonCache*>(cache)) return python->object();
  nb::dict options;
  const auto add_bounds = [&](const auto& chosen) {
    if (chosen.max_bytes != 0) options["max_bytes"] = chosen.max_bytes;
    if (chosen.max_age.count() != 0) options["max_age"] = chosen.max_age.count();
    options["allow_pickle"] = chosen.allow_pickle;
  };
  if (auto* const disk = dynamic_cast<DiskCache*>(cache)) {
    const DiskCacheOptions& chosen = disk->options();
    add_bounds(chosen);
    options["durability"] = chosen.durability == Durability::kCommit ? "commit" : "flush";
    if (chosen.pickle_key) {
      options["pickle_key"] = nb::bytes(chosen.pickle_key->data(), chosen.pickle_key->size());
    }
    return package_attribute("cache", "DiskCache")(str_of(disk->directory().string()), **options);
  }
  if (auto* const memory = dynamic_cast<MemoryCache*>(cache)) {
    add_bounds(memory->options());
    return package_attribute("cache", "MemoryCache")(**options);
  }
  return nb::none();
}

void bind_caches(nb::module_& module) {
  nb::class_<Cache>(module, "Store")
      .def("has", has_key, nb::arg("key").none())
      .def("get", get_key, nb::arg("key").none())
      .def("get_many", get_keys, nb::arg("keys"))
      .def("put_many", put_keys, nb::arg("values"))
      .def("clear", &Cache::clear, nb::call_guard<nb::gil_scoped_release>())
      .def("flush", &Cache::flush, nb::call_guard<nb::gil_scoped_release>())
      .def("gc", &Cache::gc, nb::call_guard<nb::gil_scoped_release>())
      .def("verify", verify_records)
      .def("statistics", statistics_of)
      .def_prop_ro("warning", &Cache::warning);
  nb::class_<DiskCache, Cache>(module, "DiskStore")
      .def(
          "__init__",
          [](DiskCache* self, const std::string& path, std::uint64_t max_bytes,
             std::int64_t max_age, bool allow_pickle, const std::optional<nb::bytes>& pickle_key,
             bool sync_commits) {
            DiskCacheOptions options{
                .durability = sync_commits ? Durability::kCommit : Durability::kFlush,
                .allow_pickle = allow_pickle,
                .max_bytes = max_bytes,
                .max_age = std::chrono::seconds(max_age)};
            if (pickle_key) options.pickle_key.emplace(pickle_key->c_str(), pickle_key->size());
            new (self) DiskCache(path, options);
          },
          nb::arg("path"), nb::arg("max_bytes"), nb::arg("max_age"), nb::arg("allow_pickle"),
          nb::arg("pickle_key").none(), nb::arg("sync_commits"))
      .def("__len__", &DiskCache::size);
  nb::class_<MemoryCache, Cache>(module, "MemoryStore")
      .def(
          "__init__",
          [](MemoryCache* self, std::uint64_t max_bytes, std::int64_t max_age, bool allow_pickle) {
            new (self) MemoryCache({.max_bytes = max_bytes,
                                    .max_age = std::chrono::seconds(max_age),
                                    .allow_pickle = allow_pickle});
          },
          nb::arg("max_bytes"), nb::arg("max_age"), nb::arg("allow_pickle"))
      .def("__len__", &MemoryCache::size);
}

}  // namespace hypernodes::python
