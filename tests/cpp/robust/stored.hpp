// SPDX-License-Identifier: MIT
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/lmdb_store.hpp"
#include "cache/record.hpp"

/// Records by number, and child processes that use them.
namespace hypernodes::testing {

inline constexpr int kTimeLimitSeconds = 60;

inline Digest key_of(std::uint64_t number) {
  return Digest::of_bytes("key " + std::to_string(number));
}

/// Every tenth takes overflow pages.
inline std::string value_of(std::uint64_t number) {
  return std::string(number % 10 == 7 ? 9000 : 5 + number % 40,
                     static_cast<char>('a' + number % 26));
}

inline std::vector<std::uint64_t> range(std::uint64_t begin, std::uint64_t end) {
  std::vector<std::uint64_t> numbers(end - begin);
  std::iota(numbers.begin(), numbers.end(), begin);
  return numbers;
}

inline void put(LmdbStore& store, const std::vector<std::uint64_t>& numbers) {
  std::vector<Digest> keys;
  std::vector<std::string> bytes;
  for (const std::uint64_t number : numbers) {
    const std::string value = value_of(number);
    append_record(keys.emplace_back(key_of(number)),
                  {Digest::of_value(value), number, Codec::kValue, value}, bytes.emplace_back());
  }
  const std::vector<std::string_view> records(bytes.begin(), bytes.end());
  store.put_many(keys, records, Durability::kCommit);
}

/// How many are there; nullopt if one is wrong.
inline std::optional<std::size_t> look_up(LmdbStore& store,
                                          const std::vector<std::uint64_t>& numbers) {
  std::vector<Digest> keys;
  for (const std::uint64_t number : numbers) keys.push_back(key_of(number));
  std::size_t right = 0, wrong = 0;
  store.get_many(keys, [&](std::size_t i, std::string_view bytes) {
    const std::optional<Record> record = parse_record(keys[i], bytes);
    ++(record && record->payload == value_of(numbers[i]) ? right : wrong);
  });
  return wrong == 0 ? std::optional{right} : std::nullopt;
}

/// Runs `body` in a forked child: its wait status, 0 if `body` returned "". Else that is printed.
inline int in_child(const std::function<std::string()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(kTimeLimitSeconds);
    std::string trouble;
    try {
      trouble = body();
    } catch (const std::exception& error) {
      trouble = error.what();
    }
    if (!trouble.empty()) std::fprintf(stderr, "child: %s\n", trouble.c_str());
    ::_exit(trouble.empty() ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

}  // namespace hypernodes::testing
