// SPDX-License-Identifier: MIT
#include "draw/layered.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace hypernodes::draw {
namespace {

using Boxes = std::vector<LayeredBox>;
using Edges = std::vector<LayeredEdge>;

constexpr double kSize = 40;

Edges edges(const std::vector<std::pair<int, int>>& pairs) {
  Edges made;
  for (const auto& [from, to] : pairs) made.push_back({from, to, kSize / 2});
  return made;
}

/// A random acyclic graph with boxes of random sizes.
std::pair<Boxes, Edges> random_graph(unsigned seed, int boxes, int edges) {
  std::mt19937 random(seed);
  const auto pick = [&](int from, int to) {
    return std::uniform_int_distribution<int>(from, to)(random);
  };
  Boxes made;
  for (int i = 0; i < boxes; ++i) {
    made.push_back({static_cast<double>(pick(20, 200)), static_cast<double>(pick(20, 90))});
  }
  Edges between;
  std::set<std::pair<int, int>> seen;
  for (int i = 0; i < edges; ++i) {
    const int from = pick(0, boxes - 2);
    const int to = pick(from + 1, std::min(boxes - 1, from + 12));
    if (seen.emplace(from, to).second) between.push_back({from, to, 10});
  }
  return {made, between};
}

bool overlap(double a, double a_size, double b, double b_size) {
  return a < b + b_size - 1e-6 && b < a + a_size - 1e-6;
}

TEST(LayeredTest, NothingTakesNoRoom) {
  const Layered layered = lay_out_layers({}, {});
  EXPECT_EQ(layered.across, 0);
  EXPECT_EQ(layered.along, 0);
}

TEST(LayeredTest, AChainIsAStraightLine) {
  const Boxes boxes(4, {kSize, 20});
  const Layered layered = lay_out_layers(boxes, edges({{0, 1}, {1, 2}, {2, 3}}));
  EXPECT_EQ(layered.across, kSize);
  for (std::size_t i = 1; i < 4; ++i) {
    EXPECT_EQ(layered.boxes[i].across, layered.boxes[0].across);
    EXPECT_GT(layered.boxes[i].along, layered.boxes[i - 1].along + 20);
  }
  for (const std::vector<Stretch>& stretches : layered.edges) {
    for (const Stretch& stretch : stretches) EXPECT_EQ(stretch.across, kSize / 2);
  }
}

TEST(LayeredTest, WhatReadsTwoStandsBetweenThem) {
  const Boxes boxes(3, {kSize, 20});
  const Layered layered = lay_out_layers(boxes, edges({{0, 2}, {1, 2}}));
  const double middle = (layered.boxes[0].across + layered.boxes[1].across) / 2;
  EXPECT_NEAR(layered.boxes[2].across, middle, 0.5);
}

TEST(LayeredTest, CrossingsThatCanBeAvoidedAre) {
  // 0 -> 3, 1 -> 2: in the order given the edges would cross.
  const Boxes boxes(4, {kSize, 20});
  const Layered layered = lay_out_layers(boxes, edges({{0, 3}, {1, 2}}));
  EXPECT_EQ(layered.boxes[0].across < layered.boxes[1].across,
            layered.boxes[3].across < layered.boxes[2].across);
}

TEST(LayeredTest, ASourceStandsRightBeforeItsFirstReader) {
  const Boxes boxes(5, {kSize, 20});
  const Layered layered = lay_out_layers(boxes, edges({{0, 1}, {1, 2}, {2, 4}, {3, 4}}));
  EXPECT_EQ(layered.boxes[3].along, layered.boxes[2].along);
}

TEST(LayeredTest, PinnedBoxesAreAtTheBorders) {
  Boxes boxes(4, {kSize, 20});
  boxes[0] = {kSize, 0, LayeredBox::Pin::kFirst};
  boxes[3] = {kSize, 0, LayeredBox::Pin::kLast};
  const Layered layered = lay_out_layers(boxes, edges({{0, 1}, {1, 2}, {1, 3}}));
  EXPECT_EQ(layered.boxes[0].along, 0);
  EXPECT_EQ(layered.boxes[3].along, layered.along);
}

TEST(LayeredTest, AnEdgeArrivesWhereItIsTold) {
  const Boxes boxes(2, {kSize, 20});
  const Edges given = {{0, 1, 5, 33}};
  const Layered layered = lay_out_layers(boxes, given);
  EXPECT_EQ(layered.edges[0].front().across, layered.boxes[0].across + 5);
  EXPECT_EQ(layered.edges[0].back().across, layered.boxes[1].across + 33);
}

TEST(LayeredTest, RandomGraphsAreDrawnApart) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    const auto [boxes, edges] = random_graph(seed, 40, 70);
    const Layered layered = lay_out_layers(boxes, edges);
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      const auto& [across, along] = layered.boxes[i];
      EXPECT_GE(across, -1e-6);
      EXPECT_LE(across + boxes[i].across, layered.across + 1e-6);
      EXPECT_LE(along + boxes[i].along, layered.along + 1e-6);
      for (std::size_t j = 0; j < i; ++j) {
        EXPECT_FALSE(overlap(across, boxes[i].across, layered.boxes[j].across, boxes[j].across) &&
                     overlap(along, boxes[i].along, layered.boxes[j].along, boxes[j].along))
            << "boxes " << j << " and " << i << " of seed " << seed;
      }
    }
    for (std::size_t e = 0; e < edges.size(); ++e) {
      const std::vector<Stretch>& stretches = layered.edges[e];
      ASSERT_FALSE(stretches.empty());
      for (std::size_t r = 0; r < stretches.size(); ++r) {
        EXPECT_LE(stretches[r].begin, stretches[r].end + 1e-6);
        if (r > 0) {
          EXPECT_LT(stretches[r - 1].end, stretches[r].begin);
        }
        for (std::size_t b = 0; b < boxes.size(); ++b) {
          EXPECT_FALSE(overlap(stretches[r].across, 0, layered.boxes[b].across, boxes[b].across) &&
                       overlap(stretches[r].begin, stretches[r].end - stretches[r].begin,
                               layered.boxes[b].along, boxes[b].along))
              << "edge " << e << " stretches through box " << b << " of seed " << seed;
        }
      }
    }
  }
}

TEST(LayeredTest, LargeGraphsAreQuick) {
  const auto [boxes, edges] = random_graph(7, 500, 1200);
  const auto begin = std::chrono::steady_clock::now();
  lay_out_layers(boxes, edges);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

}  // namespace
}  // namespace hypernodes::draw
