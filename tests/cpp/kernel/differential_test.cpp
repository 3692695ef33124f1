// SPDX-License-Identifier: MIT
// Random graphs: both orders, with any state of the cache, give what a plain interpreter gives.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "graph/nested.hpp"
#include "kernel/harness.hpp"
#include "kernel/memory_cache.hpp"

namespace hypernodes {
namespace {

using testing::Given;
using testing::MemoryCache;
using testing::Ran;
using testing::Recorder;

using List = std::vector<std::int64_t>;
using Values = std::map<std::string, Value>;

enum class What : std::uint8_t { kMix, kText, kSize, kRange, kSum, kSplit, kPlain, kMapped };

struct Dag;

/// A node, as data that both the interpreter and the library can run.
struct Spec {
  What what = What::kMix;
  std::string name;
  std::vector<std::string> inputs;   ///< Of kPlain and kMapped: outer names, by `dag`'s roots.
  std::vector<std::string> outputs;  ///< Of kPlain and kMapped: outer names, by `results`.
  std::int64_t k = 0;
  std::int64_t fails = -1;  ///< kMix fails for this remainder.
  bool cached = true;
  std::shared_ptr<const Dag> dag;
  std::vector<std::string> results;  ///< Inner names.
  std::size_t mapped = 0;            ///< Place of the mapped input.
};

struct Dag {
  std::vector<std::string> roots;
  std::vector<Spec> nodes;
};

// What the nodes compute.
std::int64_t mix(std::int64_t a, std::int64_t b, std::int64_t k, std::int64_t fails) {
  const std::int64_t result = (a * k + b) % 31;
  if (fails >= 0 && result % 11 == fails) throw std::runtime_error("mix " + std::to_string(result));
  return result;
}
std::string write(std::int64_t a, std::int64_t k) {
  return std::to_string(a) + std::string(static_cast<std::size_t>((a + k) % 3 * 20), 't');
}
List range(std::int64_t a, std::int64_t k) {
  List items;
  for (std::int64_t i = 0; i < (a + k) % 4; ++i) items.push_back((k + i) % 31);
  return items;
}
std::int64_t sum(const List& items, std::int64_t k) {
  std::int64_t result = k;
  for (const std::int64_t item : items) result += item;
  return result % 31;
}

// ---- the interpreter

struct Failed {
  std::string node;
};

Values interpret(const Dag& dag, const Values& inputs, const std::vector<std::string>& wanted);

Values call(const Spec& spec, const Values& known) {
  const auto in = [&](std::size_t i) { return known.at(spec.inputs[i]); };
  const auto number = [&](std::size_t i) { return in(i).as_int64(); };
  switch (spec.what) {
    case What::kMix:
      try {
        return {{spec.outputs[0], mix(number(0), number(1), spec.k, spec.fails)}};
      } catch (const std::exception&) {
        throw Failed{spec.name};
      }
    case What::kText:
      return {{spec.outputs[0], write(number(0), spec.k)}};
    case What::kSize:
      return {{spec.outputs[0], static_cast<std::int64_t>(in(0).as_text().size()) % 31 + spec.k}};
    case What::kRange:
      return {{spec.outputs[0], range(number(0), spec.k)}};
    case What::kSum:
      return {{spec.outputs[0], sum(in(0).as<List>(), spec.k)}};
    case What::kSplit:
      return {{spec.outputs[0], number(0) % spec.k}, {spec.outputs[1], write(number(0), spec.k)}};
    case What::kPlain: {
      Values inner;
      for (std::size_t i = 0; i < spec.inputs.size(); ++i) inner[spec.dag->roots[i]] = in(i);
      const Values results = interpret(*spec.dag, inner, spec.results);
      Values made;
      for (std::size_t i = 0; i < spec.results.size(); ++i) {
        made[spec.outputs[i]] = results.at(spec.results[i]);
      }
      return made;
    }
    case What::kMapped: {
      std::map<std::string, List> lists;
      for (const std::string& output : spec.outputs) lists[output];
      for (const std::int64_t item : in(spec.mapped).as<List>()) {
        Values inner;
        for (std::size_t i = 0; i < spec.inputs.size(); ++i) {
          inner[spec.dag->roots[i]] = i == spec.mapped ? Value(item) : in(i);
        }
        const Values results = interpret(*spec.dag, inner, spec.results);
        for (std::size_t i = 0; i < spec.results.size(); ++i) {
          lists[spec.outputs[i]].push_back(results.at(spec.results[i]).as_int64());
        }
      }
      Values made;
      for (const auto& [name, list] : lists) made[name] = list;
      return made;
    }
  }
  return {};
}

Values interpret(const Dag& dag, const Values& inputs, const std::vector<std::string>& wanted) {
  std::set<std::string> needed(wanted.begin(), wanted.end());
  std::vector<const Spec*> left;
  for (auto spec = dag.nodes.rbegin(); spec != dag.nodes.rend(); ++spec) {
    if (std::none_of(spec->outputs.begin(), spec->outputs.end(),
                     [&](const std::string& name) { return needed.count(name) > 0; })) {
      continue;
    }
    left.push_back(&*spec);
    needed.insert(spec->inputs.begin(), spec->inputs.end());
  }
  std::sort(left.begin(), left.end(),
            [](const Spec* a, const Spec* b) { return a->name < b->name; });
  Values known = inputs;
  while (!left.empty()) {
    const auto next = std::find_if(left.begin(), left.end(), [&](const Spec* spec) {
      return std::all_of(spec->inputs.begin(), spec->inputs.end(),
                         [&](const std::string& name) { return known.count(name) > 0; });
    });
    known.merge(call(**next, known));
    left.erase(next);
  }
  return known;
}

// ---- the same as a graph

std::shared_ptr<const Graph> graph_of(const Dag& dag);

Node node_of(const Spec& spec) {
  const std::int64_t k = spec.k;
  const std::int64_t fails = spec.fails;
  const auto in = [&](std::size_t i) { return std::string_view(spec.inputs[i]); };
  const auto finish = [&](const Node& node, const char* what) {
    // One identity for equal code, whatever the node's name: nodes may share records.
    const std::string code =
        std::string(what) + ' ' + std::to_string(k) + ' ' + std::to_string(fails);
    const Node named = node.named("shared").version(code).named(spec.name);
    return spec.cached ? named : named.uncached();
  };
  switch (spec.what) {
    case What::kMix:
      return finish(
          node(spec.outputs[0], {in(0), in(1)},
               [k, fails](std::int64_t a, std::int64_t b) { return mix(a, b, k, fails); }),
          "mix");
    case What::kText:
      return finish(node(spec.outputs[0], {in(0)}, [k](std::int64_t a) { return write(a, k); }),
                    "text");
    case What::kSize:
      return finish(node(spec.outputs[0], {in(0)},
                         [k](const std::string& text) {
                           return static_cast<std::int64_t>(text.size()) % 31 + k;
                         }),
                    "size");
    case What::kRange:
      return finish(node(spec.outputs[0], {in(0)}, [k](std::int64_t a) { return range(a, k); }),
                    "range");
    case What::kSum:
      return finish(
          node(spec.outputs[0], {in(0)}, [k](const List& items) { return sum(items, k); }), "sum");
    case What::kSplit:
      return finish(node({spec.outputs[0], spec.outputs[1]}, {in(0)},
                         [k](std::int64_t a) { return std::tuple{a % k, write(a, k)}; }),
                    "split");
    default:
      break;
  }
  NestedRequest request;
  request.graph = graph_of(*spec.dag);
  request.name = spec.name;
  for (std::size_t i = 0; i < spec.inputs.size(); ++i) {
    request.inputs.emplace_back(spec.dag->roots[i], spec.inputs[i]);
  }
  for (std::size_t i = 0; i < spec.results.size(); ++i) {
    request.outputs.emplace_back(spec.results[i], spec.outputs[i]);
  }
  if (spec.what == What::kMapped) request.map_over = {spec.inputs[spec.mapped]};
  request.cached = spec.cached;
  return make_nested_node(request);
}

std::shared_ptr<const Graph> graph_of(const Dag& dag) {
  std::vector<Node> nodes;
  for (const Spec& spec : dag.nodes) nodes.push_back(node_of(spec));
  return Graph::build(std::move(nodes))->whole();
}

// ---- random graphs

class Generator {
 public:
  explicit Generator(unsigned seed) : engine_(seed) {}

  std::int64_t below(std::int64_t bound) {
    return std::uniform_int_distribution<std::int64_t>(0, bound - 1)(engine_);
  }

  /// Names are unique in all of a graph; an inner one has only integers as roots.
  Dag dag(int nodes, int depth) {
    Dag made;
    Names names;
    const std::int64_t roots = 1 + below(3);
    for (std::int64_t i = 0; i < roots; ++i) {
      made.roots.push_back(fresh("r"));
      names.numbers.push_back(made.roots.back());
    }
    if (depth == 0) {
      made.roots.push_back(fresh("l"));
      names.lists.push_back(made.roots.back());
    }
    for (int i = 0; i < nodes; ++i) made.nodes.push_back(spec(names, depth));
    return made;
  }

 private:
  struct Names {
    std::vector<std::string> numbers, texts, lists;
  };

  std::string fresh(const char* prefix) { return prefix + std::to_string(count_++); }
  std::string any(const std::vector<std::string>& names) {
    return names[static_cast<std::size_t>(below(static_cast<std::int64_t>(names.size())))];
  }

  Spec spec(Names& names, int depth) {
    Spec made;
    // A name from anywhere in the alphabet: the order is not that of making.
    made.name = fresh(std::string(1, static_cast<char>('a' + below(26))).c_str());
    made.k = 1 + below(3);
    made.cached = below(6) != 0;
    made.what = static_cast<What>(below(depth < 2 ? 8 : 6));
    if (made.what == What::kSize && names.texts.empty()) made.what = What::kText;
    if (made.what == What::kSum && names.lists.empty()) made.what = What::kRange;
    if (made.what == What::kMapped && names.lists.empty()) made.what = What::kPlain;
    switch (made.what) {
      case What::kMix:
        made.inputs = {any(names.numbers), any(names.numbers)};
        if (below(2) == 0) made.fails = below(11);
        names.numbers.push_back(output(made));
        break;
      case What::kText:
        made.inputs = {any(names.numbers)};
        names.texts.push_back(output(made));
        break;
      case What::kSize:
        made.inputs = {any(names.texts)};
        names.numbers.push_back(output(made));
        break;
      case What::kRange:
        made.inputs = {any(names.numbers)};
        names.lists.push_back(output(made));
        break;
      case What::kSum:
        made.inputs = {any(names.lists)};
        names.numbers.push_back(output(made));
        break;
      case What::kSplit:
        made.inputs = {any(names.numbers)};
        names.numbers.push_back(output(made));
        names.texts.push_back(output(made));
        break;
      case What::kPlain:
      case What::kMapped:
        nest(made, names, depth);
    }
    return made;
  }

  std::string output(Spec& spec) {
    spec.outputs.push_back(fresh("v"));
    return spec.outputs.back();
  }

  void nest(Spec& made, Names& names, int depth) {
    const bool mapped = made.what == What::kMapped;
    // At least one integer comes out, for the inner roots do not.
    Dag inner = dag(2 + static_cast<int>(below(4)), depth + 1);
    Spec last;
    last.name = fresh("m");
    last.k = 2;
    last.inputs = {inner.roots[0], inner.roots.back()};
    if (below(2) == 0) last.fails = below(11);
    const std::string number = output(last);
    inner.nodes.push_back(last);
    made.results = {number};
    for (const Spec& spec : inner.nodes) {
      const bool integer = spec.what == What::kMix || spec.what == What::kSum;
      if (integer && spec.outputs[0] != number && below(2) == 0) {
        made.results.push_back(spec.outputs[0]);
      }
    }
    // Only roots that these outputs need are inputs.
    const auto graph = graph_of(inner);
    std::vector<std::string> needed;
    for (const int slot : graph->select(made.results).roots) {
      needed.push_back(graph->slots()[static_cast<std::size_t>(slot)]);
    }
    std::erase_if(inner.roots, [&](const std::string& root) {
      return std::find(needed.begin(), needed.end(), root) == needed.end();
    });
    made.mapped = static_cast<std::size_t>(below(static_cast<std::int64_t>(inner.roots.size())));
    for (std::size_t i = 0; i < inner.roots.size(); ++i) {
      made.inputs.push_back(mapped && i == made.mapped ? any(names.lists) : any(names.numbers));
    }
    for (std::size_t i = 0; i < made.results.size(); ++i) {
      (mapped ? names.lists : names.numbers).push_back(output(made));
    }
    made.dag = std::make_shared<const Dag>(std::move(inner));
  }

  std::mt19937 engine_;
  int count_ = 0;
};

/// Values for the roots, with repetitions.
std::vector<Given> random_inputs(Generator& random, const Dag& dag, std::int64_t rows) {
  std::vector<Given> inputs;
  for (const std::string& root : dag.roots) {
    const bool list = root[0] == 'l';
    const auto item = [&] {
      return list ? Value(range(random.below(4), 1)) : Value(random.below(12));
    };
    if (random.below(4) == 0) {
      inputs.push_back({root, item(), false});
      continue;
    }
    std::vector<Value> items;
    for (std::int64_t row = 0; row < rows; ++row) items.push_back(item());
    const Type type = list ? Type::list(Kind::kInt64) : Type(Kind::kInt64);
    // Typed, or as values of any kind, as Python would give them.
    inputs.push_back({root, Value::list(random.below(2) == 0 ? Column::of(type, items)
                                                             : Column::objects(items))});
  }
  return inputs;
}

std::vector<Given> rows_of(const std::vector<Given>& inputs,
                           const std::vector<std::int64_t>& rows) {
  std::vector<Given> some = inputs;
  for (Given& given : some) {
    if (given.each) given.value = Value::list(given.value.as_column().take(rows));
  }
  return some;
}

std::string expected(const Dag& dag, const Graph& graph, const std::vector<Given>& inputs,
                     std::int64_t rows) {
  const std::vector<std::string>& names = graph.all().output_names;
  std::map<std::string, std::string> lists;
  for (std::int64_t row = 0; row < rows; ++row) {
    Values given;
    for (const Given& input : inputs) {
      given[input.name] = input.each ? input.value.as_column()[row] : input.value;
    }
    try {
      const Values made = interpret(dag, given, names);
      for (const std::string& name : names) {
        lists[name] += (row == 0 ? "" : ", ") + made.at(name).to_string();
      }
    } catch (const Failed& failed) {
      return failed.node + " @" + std::to_string(row);
    }
  }
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : " ") + name + "=[" + lists[name] + "]";
  }
  return text;
}

std::string outcome(const Ran& ran) {
  const std::string text = ran.text();
  return ran.failure ? text.substr(0, text.find(':')) : text;
}

TEST(DifferentialTest, OrdersAndCachesGiveWhatAnInterpreterGives) {
  int failures = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    Generator random(seed);
    const Dag dag = random.dag(3 + static_cast<int>(random.below(8)), 0);
    const auto graph = graph_of(dag);
    const std::int64_t rows = 1 + random.below(12);
    const std::vector<Given> inputs = random_inputs(random, dag, rows);
    const std::string right = expected(dag, *graph, inputs, rows);
    failures += right.find(" @") != right.npos ? 1 : 0;
    std::vector<std::int64_t> half;
    for (std::int64_t row = 0; row < rows; ++row) {
      if (random.below(2) == 0) half.push_back(row);
    }
    for (const Order order : {Order::kRows, Order::kNodes}) {
      SCOPED_TRACE("seed " + std::to_string(seed) + " by " + testing::name_of(order));
      const auto run = [&](const testing::Setting& setting) {
        return outcome(testing::run_batch(*graph, inputs, rows, order, setting));
      };
      ASSERT_EQ(run({}), right);
      ASSERT_EQ(run({.callbacks = {std::make_shared<Recorder>()}}), right);
      const auto cache = std::make_shared<MemoryCache>();
      ASSERT_EQ(run({.cache = cache}), right) << "cold";
      ASSERT_EQ(run({.cache = cache}), right) << "warm";
      ASSERT_EQ(run({.cache = cache, .callbacks = {std::make_shared<Recorder>()}}), right);
      const auto partial = std::make_shared<MemoryCache>();
      for (const Order first : {Order::kRows, Order::kNodes}) {
        partial->clear();
        testing::run_batch(*graph, rows_of(inputs, half), static_cast<std::int64_t>(half.size()),
                           first, {.cache = partial});
        ASSERT_EQ(run({.cache = partial}), right) << "half warm, by " << testing::name_of(first);
      }
      cache->tamper = [&](const Digest&, std::string record) {
        const std::int64_t way = random.below(6);
        if (way == 0) record.resize(static_cast<std::size_t>(random.below(20)));
        if (way == 1)
          record[record.size() - 12] = static_cast<char>(record[record.size() - 12] ^ 1);
        return record;
      };
      ASSERT_EQ(run({.cache = cache}), right) << "damaged";
    }
  }
  EXPECT_GT(failures, 50);
  EXPECT_LT(failures, 150);
}

}  // namespace
}  // namespace hypernodes
