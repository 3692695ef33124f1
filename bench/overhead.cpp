// SPDX-License-Identifier: MIT
//
// Cost of the C++ API's `run` beside oneTBB's flow graph: prints JSON, one list of samples in ns
// per contender (per node for the chains, per run for the single node). overhead.py shows it.

#include <oneapi/tbb/flow_graph.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <hypernodes/hypernodes.hpp>
#include <memory>
#include <string>
#include <vector>

namespace hn = hypernodes;
namespace flow = tbb::flow;

namespace {

constexpr int kNodes = 10;
constexpr int kRounds = 25;
constexpr std::chrono::milliseconds kSample{4};

std::int64_t plus_one(std::int64_t x) { return x + 1; }

/// One thing to measure: `run` takes the input and returns the last node's output.
struct Contender {
  std::string name;
  int nodes;
  int divisor;
  std::function<std::int64_t(std::int64_t)> run;
  std::int64_t runs_per_sample = 0;
  std::vector<double> samples = {};
};

double seconds_for(const Contender& contender, std::int64_t runs) {
  const auto start = std::chrono::steady_clock::now();
  std::int64_t wrong = 0;
  for (std::int64_t x = 0; x < runs; ++x) wrong |= contender.run(x) ^ (x + contender.nodes);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  if (wrong != 0) {
    std::fprintf(stderr, "%s: wrong answer\n", contender.name.c_str());
    std::exit(1);
  }
  return taken.count();
}

/// How many runs fill a sample.
std::int64_t calibrate(const Contender& contender) {
  std::int64_t runs = 16;
  while (seconds_for(contender, runs) < std::chrono::duration<double>(kSample).count()) runs *= 2;
  return runs;
}

void take_sample(Contender& contender) {
  const double seconds = seconds_for(contender, contender.runs_per_sample);
  const auto runs = static_cast<double>(contender.runs_per_sample);
  contender.samples.push_back(seconds / runs / contender.divisor * 1e9);
}

/// Inputs by name, every node's output by name, as a user calls it.
Contender ours_chain() {
  auto pipeline = std::make_shared<hn::Pipeline>(
      hn::Pipeline{hn::node<plus_one>("n1", {"x"}), hn::node<plus_one>("n2", {"n1"}),
                   hn::node<plus_one>("n3", {"n2"}), hn::node<plus_one>("n4", {"n3"}),
                   hn::node<plus_one>("n5", {"n4"}), hn::node<plus_one>("n6", {"n5"}),
                   hn::node<plus_one>("n7", {"n6"}), hn::node<plus_one>("n8", {"n7"}),
                   hn::node<plus_one>("n9", {"n8"}), hn::node<plus_one>("n10", {"n9"})});
  return {"chain of 10: ours", kNodes, kNodes, [pipeline](std::int64_t x) {
            return pipeline->run({{"x", x}})["n10"].as<std::int64_t>();
          }};
}

Contender ours_one_node() {
  auto pipeline = std::make_shared<hn::Pipeline>(hn::Pipeline{hn::node<plus_one>("result", {"x"})});
  return {"one node: ours", 1, 1, [pipeline](std::int64_t x) {
            return pipeline->run({{"x", x}})["result"].as<std::int64_t>();
          }};
}

/// The same chain of `nodes` as a oneTBB flow graph; Policy lightweight runs bodies in place.
template <typename Policy>
Contender tbb_chain(const std::string& name, int nodes) {
  using FunctionNode = flow::function_node<std::int64_t, std::int64_t, Policy>;
  struct Chain {
    flow::graph graph;
    std::int64_t last = 0;
    std::vector<std::unique_ptr<FunctionNode>> nodes;
    ~Chain() { graph.wait_for_all(); }
  };
  auto chain = std::make_shared<Chain>();
  for (std::size_t i = 0; i < static_cast<std::size_t>(nodes); ++i) {
    auto body = [&last = chain->last](std::int64_t x) { return last = plus_one(x); };
    chain->nodes.push_back(std::make_unique<FunctionNode>(chain->graph, flow::unlimited, body));
    if (i > 0) flow::make_edge(*chain->nodes[i - 1], *chain->nodes[i]);
  }
  return {name, nodes, nodes, [chain](std::int64_t x) {
            chain->nodes.front()->try_put(x);
            chain->graph.wait_for_all();
            return chain->last;
          }};
}

void print_json(const std::vector<Contender>& contenders) {
  std::printf("{");
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    std::printf("%s\n  \"%s\": [", i == 0 ? "" : ",", contenders[i].name.c_str());
    for (std::size_t j = 0; j < contenders[i].samples.size(); ++j) {
      std::printf("%s%.3f", j == 0 ? "" : ", ", contenders[i].samples[j]);
    }
    std::printf("]");
  }
  std::printf("\n}\n");
}

}  // namespace

int main() {
  std::vector<Contender> contenders{
      ours_chain(),
      tbb_chain<flow::queueing>("chain of 10: oneTBB", kNodes),
      tbb_chain<flow::lightweight>("chain of 10: oneTBB lightweight", kNodes),
      ours_one_node(),
      tbb_chain<flow::queueing>("one node: oneTBB", 1),
  };
  for (Contender& contender : contenders) contender.runs_per_sample = calibrate(contender);
  for (int round = 0; round < kRounds; ++round) {
    for (Contender& contender : contenders) take_sample(contender);
  }
  print_json(contenders);
}
