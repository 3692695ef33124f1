// SPDX-License-Identifier: MIT
#include "robust/faults.hpp"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <string>
#include <string_view>

namespace hypernodes::faults {
namespace {

constexpr std::size_t kPage = 4096;

std::string root;
Fault fault;
std::atomic<bool> armed{false};
std::atomic<std::uint64_t> calls{0};

enum class Effect { kPass, kFail, kHalf };

bool concerns(std::string_view path) { return path.starts_with(root); }

bool concerns(int fd) {
  std::array<char, 4096> path{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
  return size > 0 && concerns(std::string_view{path.data(), static_cast<std::size_t>(size)});
}

[[noreturn]] void die() {
  for (;;) ::kill(::getpid(), SIGKILL);
}

/// What happens to this call; errno is set if it fails. `writes`: it needs space.
template <class File>
Effect next(File file, bool writes = false) {
  if (!armed.load(std::memory_order_relaxed) || !concerns(file)) return Effect::kPass;
  const std::uint64_t call = calls.fetch_add(1, std::memory_order_relaxed) + 1;
  if (fault.kind == Kind::kNone || call < fault.at) return Effect::kPass;
  const bool now = call == fault.at;
  errno = fault.error;
  switch (fault.kind) {
    case Kind::kNone:
      break;
    case Kind::kKill:
      if (writes) return Effect::kHalf;
      die();
    case Kind::kFail:
      return now ? Effect::kFail : Effect::kPass;
    case Kind::kFailOn:
      return Effect::kFail;
    case Kind::kShortOn:
      if (!writes) return Effect::kPass;
      return now ? Effect::kHalf : Effect::kFail;
  }
  return Effect::kPass;
}

/// `write_some(bytes)` writes that many of `size`.
template <class Write>
ssize_t write_call(int fd, std::size_t size, Write write_some) {
  switch (next(fd, /*writes=*/true)) {
    case Effect::kFail:
      return -1;
    case Effect::kHalf: {
      const std::size_t half = size / 2 / kPage * kPage;
      const ssize_t written = half == 0 ? 0 : write_some(half);
      if (fault.kind == Kind::kKill) die();
      return written;
    }
    case Effect::kPass:
      break;
  }
  return write_some(size);
}

}  // namespace

void arm(const std::filesystem::path& directory, const Fault& chosen) {
  root = directory.string();
  fault = chosen;
  calls = 0;
  armed = true;
}

std::uint64_t disarm() {
  armed = false;
  return calls;
}

}  // namespace hypernodes::faults

// Raw system calls: to look up the C library's functions could itself need memory or files.
// Nothing is really synced: what a killed process wrote is there, and disks are slow.
using hypernodes::faults::Effect;
using hypernodes::faults::next;
using hypernodes::faults::write_call;

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  if (next(std::string_view{path}) == Effect::kFail) return -1;
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags & ~O_DSYNC, mode));
}

int fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  const bool locks = command == F_SETLK || command == F_SETLKW || command == F_OFD_GETLK;
  if (locks && next(fd) == Effect::kFail) return -1;
  return static_cast<int>(::syscall(SYS_fcntl, fd, command, argument));
}

int flock(int fd, int operation) noexcept {
  // A directory's lock that cannot be had is no lock: nobody can do better.
  if ((operation & LOCK_UN) == 0 && next(fd) == Effect::kFail) return -1;
  return static_cast<int>(::syscall(SYS_flock, fd, operation));
}

ssize_t pread(int fd, void* into, size_t size, off_t offset) {
  if (next(fd) == Effect::kFail) return -1;
  return ::syscall(SYS_pread64, fd, into, size, offset);
}

ssize_t pwrite(int fd, const void* from, size_t size, off_t offset) {
  return write_call(fd, size, [=](std::size_t bytes) {
    return ::syscall(SYS_pwrite64, fd, from, bytes, offset);
  });
}

ssize_t write(int fd, const void* from, size_t size) {
  return write_call(fd, size,
                    [=](std::size_t bytes) { return ::syscall(SYS_write, fd, from, bytes); });
}

ssize_t writev(int fd, const struct iovec* parts, int count) {
  std::size_t size = 0;
  for (int i = 0; i < count; ++i) size += parts[i].iov_len;
  return write_call(fd, size, [=](std::size_t bytes) -> ssize_t {
    if (bytes == size) return ::syscall(SYS_writev, fd, parts, count);
    return ::syscall(SYS_write, fd, parts[0].iov_base, std::min(bytes, parts[0].iov_len));
  });
}

int fdatasync(int fd) { return next(fd) == Effect::kFail ? -1 : 0; }

int fsync(int fd) { return next(fd) == Effect::kFail ? -1 : 0; }

int ftruncate(int fd, off_t size) noexcept {
  if (next(fd, /*writes=*/true) != Effect::kPass) return -1;
  return static_cast<int>(::syscall(SYS_ftruncate, fd, size));
}

void* mmap(void* address, size_t size, int protection, int flags, int fd, off_t offset) noexcept {
  if (fd >= 0 && next(fd) == Effect::kFail) return MAP_FAILED;
  return reinterpret_cast<void*>(::syscall(SYS_mmap, address, size, protection, flags, fd, offset));
}

int rename(const char* from, const char* to) noexcept {
  if (next(std::string_view{from}) == Effect::kFail) return -1;
  return static_cast<int>(::syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to));
}

int unlink(const char* path) noexcept {
  if (next(std::string_view{path}) == Effect::kFail) return -1;
  return static_cast<int>(::syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

int mkdir(const char* path, mode_t mode) noexcept {
  if (next(std::string_view{path}, /*writes=*/true) != Effect::kPass) return -1;
  return static_cast<int>(::syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}
}
