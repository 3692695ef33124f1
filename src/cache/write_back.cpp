// SPDX-License-Identifier: MIT
#include "cache/write_back.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <system_error>
#include <thread>
#include <tuple>

namespace hypernodes {

void start_write_back(int file) {
  const int copy = ::fcntl(file, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return;
  // Signals are for the host's threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    // It holds nothing that a forked child, or the end of the process, could miss.
    std::thread([copy] {
      std::ignore = ::sync_file_range(copy, 0, 0, SYNC_FILE_RANGE_WRITE);
      ::close(copy);
    }).detach();
  } catch (const std::system_error&) {  // too many threads
    ::close(copy);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace hypernodes
