// SPDX-License-Identifier: MIT

// The one place that speaks Daft's extension interface.

#include <dlfcn.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

#include "daft/native_function.hpp"
#include "hypernodes/daft_abi.h"
#include "hypernodes/error.hpp"

namespace hypernodes::daft {
namespace {

/// What Daft holds of a function.
struct Definition {
  std::string name;
  std::shared_ptr<const NativeFunction> function;
};

/// The functions that no session has got yet.
struct Registry {
  std::mutex mutex;
  std::vector<Definition> pending;
  std::int64_t last_number = 0;
};

Registry& registry() {
  static auto* const instance = new Registry;  // Daft's threads may outlive static destructors
  return *instance;
}

const Definition& definition(const void* ctx) { return *static_cast<const Definition*>(ctx); }

/// Turns any failure of `body` into a code and a message: nothing is thrown across the border.
template <typename Body>
int trampoline(char** error, Body&& body) noexcept {
  try {
    body();
    return 0;
  } catch (const std::exception& failure) {
    if (error != nullptr) *error = strdup(failure.what());
  } catch (...) {
    if (error != nullptr) *error = strdup("an exception that is no std::exception");
  }
  return 1;
}

/// The arguments of a call, released when they go, whatever happens.
class OwnedArguments {
 public:
  OwnedArguments(const ArrowArray* arrays, const ArrowSchema* schemas, std::size_t count)
      : arrays_(arrays, arrays + count), schemas_(schemas, schemas + count) {}
  ~OwnedArguments() {
    for (ArrowArray& array : arrays_) {
      if (array.release != nullptr) array.release(&array);
    }
    for (ArrowSchema& schema : schemas_) {
      if (schema.release != nullptr) schema.release(&schema);
    }
  }
  OwnedArguments(const OwnedArguments&) = delete;
  OwnedArguments& operator=(const OwnedArguments&) = delete;

  std::vector<Column> import() {
    std::vector<Column> columns;
    columns.reserve(arrays_.size());
    for (std::size_t i = 0; i < arrays_.size(); ++i) {
      columns.push_back(Column::import_arrow(&arrays_[i], &schemas_[i]));
    }
    return columns;
  }

 private:
  std::vector<ArrowArray> arrays_;
  std::vector<ArrowSchema> schemas_;
};

const char* name_of(const void* ctx) { return definition(ctx).name.c_str(); }

int get_return_field(const void* ctx, const ArrowSchema* args, std::size_t count,
                     ArrowSchema* result, char** error) {
  return trampoline(error, [&] {
    std::vector<Type> types;
    types.reserve(count);
    for (std::size_t i = 0; i < count; ++i) types.push_back(Column::import_schema(&args[i]));
    const Definition& self = definition(ctx);
    Column::export_schema(self.function->result_type(types), self.name, result);
  });
}

int call(const void* ctx, const ArrowArray* args, const ArrowSchema* schemas, std::size_t count,
         ArrowArray* result, ArrowSchema* result_schema, char** error) {
  return trampoline(error, [&] {
    OwnedArguments arguments(args, schemas, count);
    definition(ctx).function->call(arguments.import()).export_arrow(result, result_schema);
  });
}

void fini(void* ctx) { delete static_cast<Definition*>(ctx); }

int init(FFI_SessionContext* session) {
  return trampoline(nullptr, [&] {
    std::vector<Definition> pending;
    {
      const std::scoped_lock lock(registry().mutex);
      pending.swap(registry().pending);
    }
    for (Definition& each : pending) {
      const std::string name = each.name;
      // The host owns it from here on, even if it refuses it.
      const FFI_ScalarFunction function{new Definition(std::move(each)), name_of, get_return_field,
                                        call, fini};
      if (session->define_function(session->ctx, function) != 0) {
        throw Error("Daft refused the function " + name);
      }
    }
  });
}

void free_string(char* text) { std::free(text); }

}  // namespace

std::string define_function(std::string_view stem, std::shared_ptr<const NativeFunction> function) {
  std::string name = "hn_";
  std::transform(stem.begin(), stem.end(), std::back_inserter(name),
                 [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_'; });
  const std::scoped_lock lock(registry().mutex);
  name += "_" + std::to_string(++registry().last_number);
  registry().pending.push_back({name, std::move(function)});
  return name;
}

}  // namespace hypernodes::daft

extern "C" __attribute__((visibility("default"))) FFI_Module daft_module_magic() {
  using namespace hypernodes::daft;
  return {HYPERNODES_DAFT_ABI_VERSION, "hypernodes", init, free_string};
}

std::string hypernodes::daft::extension_path() {
  Dl_info info{};
  dladdr(reinterpret_cast<const void*>(&daft_module_magic), &info);
  return info.dli_fname == nullptr ? std::string() : info.dli_fname;
}
