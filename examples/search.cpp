// SPDX-License-Identifier: MIT
//
// The native half of the demo as a C++ program: which of these text files answers a query best?
//
//   ./run cpp examples/search.cpp "damaged cache file" docs/*/*.md include/hypernodes/*.hpp
//
// The first run reads and counts every file. After that only files that changed are read again.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <hypernodes/hypernodes.hpp>
#include <iostream>
#include <iterator>
#include <map>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "demo/text.hpp"

namespace hn = hypernodes;
namespace fs = std::filesystem;

using Counts = std::map<std::string, std::int64_t>;
using Weights = std::map<std::string, double>;

/// `stamp` only says which version of the file this is: it makes the cache notice an edited one.
std::string read_file(const std::string& path, const std::string& /*stamp*/) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// BM25: what each term adds to a document's score if the query has it.
std::vector<Weights> weigh(const std::vector<Counts>& counts) {
  constexpr double k1 = 1.5, b = 0.75;
  Weights frequency;
  std::vector<double> lengths;
  for (const Counts& count : counts) {
    double length = 0;
    for (const auto& [term, n] : count) {
      frequency[term] += 1;
      length += static_cast<double>(n);
    }
    lengths.push_back(length);
  }
  const double documents = static_cast<double>(counts.size());
  const double average = std::accumulate(lengths.begin(), lengths.end(), 0.0) / documents;
  std::vector<Weights> weights(counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double norm = k1 * (1 - b + b * lengths[i] / average);
    for (const auto& [term, n] : counts[i]) {
      const double seen = frequency[term], times = static_cast<double>(n);
      const double rarity = std::log(1 + (documents - seen + 0.5) / (seen + 0.5));
      weights[i][term] = rarity * times * (k1 + 1) / (times + norm);
    }
  }
  return weights;
}

/// The documents that have any of the tokens, best first, and their scores.
std::tuple<std::vector<std::int64_t>, std::vector<double>> rank(
    const std::vector<std::string>& tokens, const std::vector<Weights>& weights) {
  const std::set<std::string> terms(tokens.begin(), tokens.end());
  std::vector<std::pair<double, std::int64_t>> scored;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    double score = 0;
    for (const std::string& term : terms) {
      if (const auto found = weights[i].find(term); found != weights[i].end())
        score += found->second;
    }
    if (score > 0) scored.emplace_back(-score, static_cast<std::int64_t>(i));
  }
  std::sort(scored.begin(), scored.end());
  std::vector<std::int64_t> places;
  std::vector<double> scores;
  for (const auto& [negative, place] : scored) {
    places.push_back(place);
    scores.push_back(-negative);
  }
  return {places, scores};
}

std::string stamp(const std::string& path) {
  const auto changed = fs::last_write_time(path).time_since_epoch().count();
  return std::to_string(fs::file_size(path)) + " bytes, " + std::to_string(changed);
}

void search(const std::string& query, const std::vector<std::string>& paths) {
  std::vector<std::string> stamps;
  for (const std::string& path : paths) stamps.push_back(stamp(path));

  const auto normalise = hn::node<demo::normalise>("normalised", {"text"});
  const auto tokenise = hn::node<demo::tokenise>("tokens", {"normalised"});
  const hn::DiskCache cache{".cache/search"};
  const auto documents = hn::Pipeline{hn::node<read_file>("text", {"path", "stamp"}), normalise,
                                      tokenise, hn::node<demo::count>("counts", {"tokens"})}
                             .with_cache(cache);
  const auto answer = hn::Pipeline{normalise, tokenise, hn::node<weigh>("weights", {"counts"}),
                                   hn::node<rank>({"places", "scores"}, {"tokens", "weights"})}
                          .with_cache(cache);

  const auto columns =
      documents.map({{"path", paths}, {"stamp", stamps}}, hn::over("path", "stamp"));
  const auto result = answer.run({{"text", query}, {"counts", hn::Value::list(columns["counts"])}});
  const auto places = result["places"].as<std::vector<std::int64_t>>();
  const auto scores = result["scores"].as<std::vector<double>>();
  for (std::size_t i = 0; i < std::min<std::size_t>(places.size(), 5); ++i) {
    std::cout << i + 1 << ". " << paths[static_cast<std::size_t>(places[i])] << "  " << scores[i]
              << '\n';
  }
}

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: search QUERY FILE...\n";
    return EXIT_FAILURE;
  }
  try {
    const auto begin = std::chrono::steady_clock::now();
    search(argv[1], {argv + 2, argv + argc});
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::cout << argc - 2 << " files, " << seconds.count() << " s\n";
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
