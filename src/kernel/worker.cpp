// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <unistd.h>

#include <climits>
#include <string>

#include "cache/forks.hpp"
#include "hypernodes/event.hpp"

// Who runs what.
namespace hypernodes {
namespace {

std::string host_name() {
  char name[HOST_NAME_MAX + 1] = {};
  return ::gethostname(name, HOST_NAME_MAX) == 0 ? name : "";
}

}  // namespace

const Worker& Worker::here() {
  thread_local int process = -1;
  thread_local Worker worker;
  if (process != forks()) {  // a thread's first call, or that of a child's
    process = forks();
    worker = {host_name(), ::getpid(), static_cast<std::uint64_t>(::pthread_self())};
  }
  return worker;
}

std::string Worker::to_string() const {
  return host + '/' + std::to_string(pid) + '/' + std::to_string(thread);
}

}  // namespace hypernodes
