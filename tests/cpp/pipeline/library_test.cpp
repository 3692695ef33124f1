// SPDX-License-Identifier: MIT
#include "hypernodes/library.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "hypernodes/error.hpp"
#include "hypernodes/pipeline.hpp"

namespace hypernodes {
namespace {

const std::string kFolder = HYPERNODES_TEST_LIBRARIES;

template <typename E>
std::string message_of(const std::string& path) {
  try {
    load_library(path);
  } catch (const E& error) {
    return error.message();
  }
  return "no error";
}

TEST(LibraryTest, NodesOfALoadedLibraryRun) {
  const Library& library = load_library(kFolder + "/libnodes_a.so");
  EXPECT_EQ(library.name(), "nodes_a");
  EXPECT_EQ(Pipeline{library.node("twice")}.run({{"x", 4}})["doubled"].as<std::int64_t>(), 8);
  EXPECT_EQ(&load_library(kFolder + "/libnodes_a.so"), &library);
  EXPECT_THROW(library.node("nope"), DependencyError);
}

TEST(LibraryTest, ALibraryWithItsOwnCopyOfTheCoreIsRefused) {
  EXPECT_EQ(message_of<PlanError>(kFolder + "/libforeign_core.so"),
            "Node library carries its own copy of hypernodes");
}

TEST(LibraryTest, ALibraryOfAnotherVersionNamesBothVersions) {
  EXPECT_EQ(message_of<PlanError>(kFolder + "/libforeign_abi.so"),
            "Node library was built for another hypernodes: its ABI is 3, this one's is 2");
}

TEST(LibraryTest, WhatIsNoNodeLibraryIsRefused) {
  EXPECT_NE(message_of<DependencyMissingError>(kFolder + "/libnope.so").find("Cannot load"),
            std::string::npos);
}

TEST(LibraryTest, ANameIsOfferedOnce) {
  Library library("twins");
  const Node half = node("half", {"x"}, [](double x) { return x / 2; });
  library.add(half);
  EXPECT_THROW(library.add(half), DependencyError);
}

}  // namespace
}  // namespace hypernodes
