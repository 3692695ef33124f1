// SPDX-License-Identifier: MIT
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>

#include "hypernodes/node.hpp"

namespace hypernodes {
namespace {

// Bodies that a linker cannot fold into one.
std::int64_t plus(std::int64_t x) { return x + 1; }
std::int64_t minus(std::int64_t x) { return x - 1; }

const Digest& code(const Node& node) { return node.definition().code; }

TEST(CodeIdentityTest, OneFunctionHasOneIdentity) {
  EXPECT_EQ(code(node<plus>("a", {"x"})), code(node<plus>("b", {"y"})));
}

TEST(CodeIdentityTest, TwoFunctionsDiffer) {
  EXPECT_NE(code(node<plus>("a", {"x"})), code(node<minus>("a", {"x"})));
}

TEST(CodeIdentityTest, TwoLambdasOfOneLineDiffer) {
  // clang-format off
  const auto a = [](std::int64_t x) { return x; }; const auto b = [](std::int64_t x) { return x; };
  // clang-format on
  EXPECT_NE(code(node("y", {"x"}, a)), code(node("y", {"x"}, b)));
  EXPECT_EQ(code(node("y", {"x"}, a)), code(node("z", {"w"}, a)));
}

TEST(CodeIdentityTest, CapturingLambdaHasNone) {
  const std::int64_t k = 1;
  const Node capturing = node("y", {"x"}, [k](std::int64_t x) { return x + k; });
  EXPECT_FALSE(capturing.definition().has_identity);
  EXPECT_TRUE(capturing.version("1").definition().has_identity);
  EXPECT_TRUE(node("y", {"x"}, [](std::int64_t x) { return x; }).definition().has_identity);
}

TEST(CodeIdentityTest, LibraryThatHoldsTheFunctionCounts) {
  const void* const here = reinterpret_cast<const void*>(&plus);
  const void* const elsewhere = dlsym(RTLD_DEFAULT, "puts");
  ASSERT_NE(elsewhere, nullptr);
  EXPECT_EQ(detail::code_identity(here, "f"), detail::code_identity(here, "f"));
  EXPECT_NE(detail::code_identity(here, "f"), detail::code_identity(here, "g"));
  EXPECT_NE(detail::code_identity(here, "f"), detail::code_identity(elsewhere, "f"));
}

TEST(CodeIdentityTest, VersionCoversNameAndOutputTypes) {
  const Node base = node<plus>("a", {"x"});
  EXPECT_NE(code(base.version("1")), code(base));
  EXPECT_EQ(code(base.version("1")), code(node<minus>("b", {"y"}).named("plus").version("1")));
  EXPECT_NE(code(base.version("1")), code(base.version("2")));
  EXPECT_NE(code(base.version("1")), code(base.named("other").version("1")));
  const auto text = [](std::int64_t x) { return std::to_string(x); };
  const auto maybe = [](std::int64_t) { return std::optional<std::int64_t>(); };
  EXPECT_NE(code(base.version("1")), code(node("a", {"x"}, text).named("plus").version("1")));
  EXPECT_NE(code(base.version("1")), code(node("a", {"x"}, maybe).named("plus").version("1")));
}

TEST(CodeIdentityTest, FormerNameStandsForTheNameBesideAVersion) {
  const Node before = node<plus>("a", {"x"}).version("1");
  const Node renamed = node<plus>("a", {"x"}).named("added");
  EXPECT_EQ(code(renamed.version("1").aka("plus")), code(before));
  EXPECT_EQ(code(renamed.aka("plus").version("1")), code(before));
  EXPECT_NE(code(renamed.version("2").aka("plus")), code(before));
  EXPECT_NE(code(renamed.version("1").aka("minus")), code(before));
}

TEST(CodeIdentityTest, FormerNameCountsForNothingWithoutAVersion) {
  const Node base = node<plus>("a", {"x"});
  EXPECT_EQ(code(base.aka("minus")), code(base));
  const auto batch = [](std::span<const BatchArgument> arguments, std::int64_t) {
    return std::vector<Column>{arguments[0].column};
  };
  const Node both = base.version("1").with_batch(batch);
  EXPECT_EQ(code(both.aka("minus")), code(both));
  EXPECT_NE(code(both), code(base.version("1")));
}

}  // namespace
}  // namespace hypernodes
