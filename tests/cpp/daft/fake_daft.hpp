// SPDX-License-Identifier: MIT
#pragma once

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "hypernodes/column.hpp"
#include "hypernodes/daft_abi.h"

extern "C" FFI_Module daft_module_magic();

namespace hypernodes::testing {

/// What Daft does with an extension: a session that collects functions, and calls them.
class FakeDaft {
 public:
  FakeDaft() = default;
  FakeDaft(const FakeDaft&) = delete;
  FakeDaft& operator=(const FakeDaft&) = delete;
  ~FakeDaft() {
    for (const FFI_ScalarFunction& function : functions_) {
      function.fini(const_cast<void*>(function.ctx));
    }
  }

  /// Gives this session the functions defined since the last one's.
  void load_extension() {
    FFI_SessionContext session{this, [](void* self, FFI_ScalarFunction function) {
                                 auto* const daft = static_cast<FakeDaft*>(self);
                                 if (daft->refuses_) {
                                   function.fini(const_cast<void*>(function.ctx));
                                   return 1;
                                 }
                                 daft->functions_.push_back(function);
                                 return 0;
                               }};
    if (daft_module_magic().init(&session) != 0) throw std::runtime_error("init failed");
  }
  void refuse_functions() { refuses_ = true; }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const FFI_ScalarFunction& function : functions_)
      names.push_back(function.name(function.ctx));
    return names;
  }

  /// Throws: std::runtime_error with the function's message.
  Type return_type(const std::string& name, const std::vector<Type>& arguments) {
    std::vector<ArrowSchema> schemas(arguments.size());
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      Column::export_schema(arguments[i], "argument", &schemas[i]);
    }
    const FFI_ScalarFunction& function = find(name);
    ArrowSchema result{};
    char* error = nullptr;
    const int code =
        function.get_return_field(function.ctx, schemas.data(), schemas.size(), &result, &error);
    for (ArrowSchema& schema : schemas) schema.release(&schema);  // they were only lent
    check(code, error);
    const Type type = Column::import_schema(&result);
    result.release(&result);
    return type;
  }

  /// Throws: std::runtime_error with the function's message.
  Column call(const std::string& name, const std::vector<Column>& arguments) {
    std::vector<ArrowArray> arrays(arguments.size());
    std::vector<ArrowSchema> schemas(arguments.size());
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      arguments[i].export_arrow(&arrays[i], &schemas[i]);
      count_releases(arrays[i]);
      count_releases(schemas[i]);
    }
    const FFI_ScalarFunction& function = find(name);
    ArrowArray result{};
    ArrowSchema schema{};
    char* error = nullptr;
    const int code = function.call(function.ctx, arrays.data(), schemas.data(), arrays.size(),
                                   &result, &schema, &error);
    check(code, error);
    return Column::import_arrow(&result, &schema);
  }

  /// How many arrays and schemas of arguments were handed out and not released yet.
  int held() const { return held_; }

 private:
  template <typename Struct>
  struct Counted {
    Struct original;
    int* held;
  };

  /// Wraps `item` so that its release counts.
  template <typename Struct>
  void count_releases(Struct& item) {
    ++held_;
    item.private_data = new Counted<Struct>{item, &held_};
    item.release = [](Struct* self) {
      auto* const counted = static_cast<Counted<Struct>*>(self->private_data);
      counted->original.release(&counted->original);
      --*counted->held;
      delete counted;
      self->release = nullptr;
    };
  }

  const FFI_ScalarFunction& find(const std::string& name) const {
    for (const FFI_ScalarFunction& function : functions_) {
      if (name == function.name(function.ctx)) return function;
    }
    throw std::out_of_range(name);
  }

  static void check(int code, char* error) {
    if (code == 0) return;
    const std::string message = error == nullptr ? "no message" : error;
    daft_module_magic().free_string(error);
    throw std::runtime_error(message);
  }

  std::vector<FFI_ScalarFunction> functions_;
  bool refuses_ = false;
  int held_ = 0;
};

inline Column ints(const std::vector<std::int64_t>& numbers) {
  ColumnBuilder builder(Kind::kInt64);
  for (const std::int64_t number : numbers) builder.append_int64(number);
  return builder.finish();
}

}  // namespace hypernodes::testing
