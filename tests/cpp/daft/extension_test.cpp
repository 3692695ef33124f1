// SPDX-License-Identifier: MIT
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daft/fake_daft.hpp"
#include "daft/native_function.hpp"
#include "hypernodes/error.hpp"

namespace hypernodes::daft {
namespace {

using testing::FakeDaft;
using testing::ints;

/// Adds its int64 arguments; throws what `trouble` says.
class Sum final : public NativeFunction {
 public:
  explicit Sum(std::string trouble = {}) : trouble_(std::move(trouble)) {}
  Type result_type(std::span<const Type> arguments) const override {
    for (const Type& type : arguments) {
      if (type.kind() != Kind::kInt64) throw TypeError("expected int64, got " + type.name());
    }
    return Kind::kInt64;
  }
  Column call(std::span<const Column> arguments) const override {
    if (trouble_ == "int") throw 1;
    if (!trouble_.empty()) throw std::runtime_error(trouble_);
    std::vector<std::int64_t> sums(static_cast<std::size_t>(arguments[0].size()));
    for (const Column& argument : arguments) {
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += argument.int64s()[i];
    }
    return ints(sums);
  }

 private:
  std::string trouble_;
};

std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

TEST(ExtensionTest, SpeaksVersionOne) {
  const FFI_Module module = daft_module_magic();
  EXPECT_EQ(module.daft_abi_version, 1U);
  EXPECT_STREQ(module.name, "hypernodes");
}

TEST(ExtensionTest, DefinedFunctionIsCalledWithColumns) {
  FakeDaft daft;
  const std::string name = define_function("sum", std::make_shared<Sum>());
  daft.load_extension();
  EXPECT_EQ(daft.return_type(name, {Kind::kInt64, Kind::kInt64}).kind(), Kind::kInt64);
  EXPECT_EQ(daft.call(name, {ints({1, 2}), ints({10, 20})}), ints({11, 22}));
  EXPECT_EQ(daft.call(name, {ints({1, 2, 3, 4}).slice(1, 2)}), ints({2, 3}));
  EXPECT_EQ(daft.held(), 0);
}

TEST(ExtensionTest, NamesAreUniqueAndPlain) {
  const std::string first = define_function("weird name<1>", std::make_shared<Sum>());
  const std::string second = define_function("weird name<1>", std::make_shared<Sum>());
  EXPECT_NE(first, second);
  EXPECT_EQ(first.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789"), std::string::npos);
  EXPECT_TRUE(first.starts_with("hn_weird_name_1__"));
  FakeDaft daft;
  daft.load_extension();  // takes them, so that no other test sees them
}

TEST(ExtensionTest, OneSessionGetsAFunction) {
  const auto function = std::make_shared<Sum>();
  {
    FakeDaft first, second;
    const std::string name = define_function("sum", function);
    first.load_extension();
    first.load_extension();
    second.load_extension();
    EXPECT_EQ(first.names(), std::vector{name});
    EXPECT_TRUE(second.names().empty());
    EXPECT_EQ(function.use_count(), 2);
  }
  EXPECT_EQ(function.use_count(), 1);  // gone with its session
}

TEST(ExtensionTest, WrongTypeIsAMessageAtPlanning) {
  FakeDaft daft;
  const std::string name = define_function("sum", std::make_shared<Sum>());
  daft.load_extension();
  EXPECT_EQ(message_of([&] { daft.return_type(name, {Kind::kString}); }),
            "expected int64, got string");
}

TEST(ExtensionTest, FailureIsAMessageAndReleasesTheArguments) {
  FakeDaft daft;
  const std::string broken = define_function("sum", std::make_shared<Sum>("no luck"));
  const std::string odd = define_function("sum", std::make_shared<Sum>("int"));
  daft.load_extension();
  EXPECT_EQ(message_of([&] { daft.call(broken, {ints({1}), ints({2})}); }), "no luck");
  EXPECT_EQ(message_of([&] { daft.call(odd, {ints({1})}); }),
            "an exception that is no std::exception");
  EXPECT_EQ(daft.held(), 0);
}

TEST(ExtensionTest, ArgumentThatCannotBeImportedReleasesThemAll) {
  FakeDaft daft;
  const std::string name = define_function("sum", std::make_shared<Sum>());
  daft.load_extension();
  // An int64 column under a schema that promises a list.
  int released = 0;
  std::vector<ArrowArray> arrays(2);
  std::vector<ArrowSchema> schemas(2);
  for (std::size_t i = 0; i < 2; ++i) {
    arrays[i].private_data = schemas[i].private_data = &released;
    arrays[i].release = [](ArrowArray* self) {
      ++*static_cast<int*>(self->private_data);
      self->release = nullptr;
    };
    schemas[i].format = "+L";
    schemas[i].release = [](ArrowSchema* self) {
      ++*static_cast<int*>(self->private_data);
      self->release = nullptr;
    };
  }
  const FFI_ScalarFunction function = [&] {
    FFI_ScalarFunction found{};
    FFI_SessionContext session{&found, [](void* out, FFI_ScalarFunction one) {
                                 *static_cast<FFI_ScalarFunction*>(out) = one;
                                 return 0;
                               }};
    define_function("sum", std::make_shared<Sum>());
    daft_module_magic().init(&session);
    return found;
  }();
  ArrowArray result{};
  ArrowSchema schema{};
  char* error = nullptr;
  EXPECT_NE(function.call(function.ctx, arrays.data(), schemas.data(), 2, &result, &schema, &error),
            0);
  EXPECT_NE(error, nullptr);
  daft_module_magic().free_string(error);
  EXPECT_EQ(released, 4);
  function.fini(const_cast<void*>(function.ctx));
}

TEST(ExtensionTest, RefusedFunctionIsAFailedInit) {
  FakeDaft daft;
  daft.refuse_functions();
  define_function("sum", std::make_shared<Sum>());
  EXPECT_THROW(daft.load_extension(), std::runtime_error);
}

TEST(ExtensionTest, PathIsThatOfTheLoadedLibrary) {
  const std::string path = extension_path();
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD);
  ASSERT_NE(library, nullptr) << path;
  EXPECT_EQ(dlsym(library, "daft_module_magic"), reinterpret_cast<void*>(&daft_module_magic));
  dlclose(library);
}

}  // namespace
}  // namespace hypernodes::daft
