// SPDX-License-Identifier: MIT
#include "cache/lmdb_environment.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

#include "cache/lmdb_file.hpp"

namespace hypernodes {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDataName = "records.mdb";
constexpr const char* kLockName = "records.mdb-lock";
constexpr const char* kBootName = "records.mdb.boot";
constexpr const char* kFormerTree = "records";  // of record format 1
constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;
constexpr int kMaxSetAside = 8;

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_;
};

/// One process at a time opens, sets aside or begins the files of a directory.
class DirectoryLock {
 public:
  explicit DirectoryLock(const fs::path& directory)
      : fd_(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    while (fd_.is_open() && ::flock(fd_.get(), LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~DirectoryLock() {
    // Closing is not enough: a child forked meanwhile has the descriptor, and with it the lock.
    if (fd_.is_open()) ::flock(fd_.get(), LOCK_UN);
  }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

  void sync() const {
    if (fd_.is_open()) ::fsync(fd_.get());
  }

 private:
  FileDescriptor fd_;
};

std::string read_line(const fs::path& file) {
  std::ifstream in{file};
  std::string line;
  std::getline(in, line);
  return line;
}

/// Changes at every start of the machine; empty if unknown.
const std::string& boot_id() {
  static const std::string id = read_line("/proc/sys/kernel/random/boot_id");
  return id;
}

/// Writes without a sync: if it does not survive, the file is checked once more.
void remember_boot(const fs::path& file) {
  const FileDescriptor fd{
      ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kFileMode)};
  const std::string line = boot_id() + "\n";
  if (fd.is_open() && ::write(fd.get(), line.data(), line.size()) < 0) ::unlink(file.c_str());
}

[[noreturn]] void fail() { throw std::system_error(errno, std::generic_category()); }

/// Whether another process has the store open, so that its pages were checked and may be changing.
/// REQUIRES: this process does not: closing the descriptor would drop LMDB's lock.
/// Throws: std::system_error if that cannot be told.
bool in_use(const fs::path& lock_file) {
  const FileDescriptor fd{::open(lock_file.c_str(), O_RDWR | O_CLOEXEC)};
  if (!fd.is_open() && errno != ENOENT && errno != EACCES && errno != EROFS) fail();
  if (!fd.is_open()) return false;
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = 0;
  lock.l_len = 1;
  if (::fcntl(fd.get(), F_OFD_GETLK, &lock) != 0) fail();
  return lock.l_type != F_UNLCK;
}

struct Inspection {
  bool exists = false;
  bool damaged = false;
  std::string reason;
  struct stat status{};
  std::uint64_t used_bytes{};
};

/// Looks at the file without mapping it.
/// Throws: std::system_error if it cannot be read, which says nothing about its contents.
Inspection inspect(const fs::path& directory, const LmdbLimits& limits) {
  Inspection result;
  // Not to wait for the writer of a pipe that lies there.
  const FileDescriptor fd{
      ::open((directory / kDataName).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!fd.is_open() && errno == ENOENT) return result;
  if (!fd.is_open() || ::fstat(fd.get(), &result.status) != 0) fail();
  if (!S_ISREG(result.status.st_mode)) {
    result.damaged = true;
    result.reason = "not a regular file";
    return result;
  }
  if (result.status.st_size == 0) return result;
  result.exists = true;

  const bool shared = in_use(directory / kLockName);
  const bool same_boot = !boot_id().empty() && read_line(directory / kBootName) == boot_id();
  constexpr int kAttempts = 3;
  for (int attempt = 1; attempt <= kAttempts; ++attempt) {
    const std::optional<LmdbMeta> meta = read_lmdb_meta(fd.get(), &result.reason);
    result.damaged = !meta;
    if (!meta) return result;
    if (::fstat(fd.get(), &result.status) != 0) fail();
    result.used_bytes = meta->used_bytes();
    const auto bytes = static_cast<std::uint64_t>(result.status.st_size);
    const bool must_check =
        bytes < meta->used_bytes() || (!shared && (!same_boot || bytes <= limits.always_check));
    if (!must_check || check_lmdb_trees(fd.get(), *meta, &result.reason)) return result;
    result.damaged = true;
    // A writer may have reused pages while they were read.
    std::string ignored;
    const std::optional<LmdbMeta> now = read_lmdb_meta(fd.get(), &ignored);
    if (!shared || !now || now->transaction == meta->transaction) return result;
  }
  return result;
}

/// Random access makes read-ahead useless once the file does not fit into memory.
bool exceeds_memory(std::uint64_t file_bytes) {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 &&
         file_bytes / 2 > static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page) / 4;
}

std::uint64_t map_size_for(std::uint64_t used_bytes, const LmdbLimits& limits) {
  const std::uint64_t roomy = std::bit_ceil(used_bytes + used_bytes / 4);
  return std::max(used_bytes, std::min(std::max(limits.initial_map, roomy), limits.max_map));
}

std::string problem(const fs::path& file, const std::string& what, const std::string& fix) {
  return "cache '" + file.string() + "': " + what + "; " + fix;
}

}  // namespace

LmdbEnvironment::LmdbEnvironment(fs::path directory, const LmdbLimits& limits)
    : directory_(std::move(directory)),
      limits_(limits),
      data_path_(directory_ / kDataName),
      lock_path_(directory_ / kLockName) {}

LmdbEnvironment::~LmdbEnvironment() {
  if (env_ != nullptr) mdb_env_close(env_);
}

std::unique_ptr<LmdbEnvironment> LmdbEnvironment::open(const fs::path& directory,
                                                       const LmdbLimits& limits,
                                                       std::string* notice) {
  const auto refuse = [&](const char* why) {
    *notice = problem(directory / kDataName, std::string{"cannot be opened: "} + why,
                      "check its permissions and the free space, or use another directory");
    return nullptr;
  };
  std::error_code ignored;
  if (!fs::exists(directory, ignored)) {
    fs::create_directories(directory.parent_path(), ignored);
    ::mkdir(directory.c_str(), kDirectoryMode);
  }
  const DirectoryLock lock{directory};
  Inspection found;
  try {
    found = inspect(directory, limits);
  } catch (const std::system_error& error) {
    return refuse(std::strerror(error.code().value()));
  }
  if (found.damaged) {
    if (!set_aside(directory, found.status.st_dev, found.status.st_ino, found.reason, notice)) {
      return nullptr;
    }
    found = {};
  }

  std::unique_ptr<LmdbEnvironment> result{new LmdbEnvironment{directory, limits}};
  const auto file_bytes = static_cast<std::uint64_t>(found.status.st_size);
  int error = result->open_file(found.used_bytes, file_bytes, 0);
  if (found.exists && (error == EACCES || error == EPERM || error == EROFS)) {
    error = result->open_file(found.used_bytes, file_bytes, MDB_RDONLY);
    if (error == EACCES || error == EPERM || error == EROFS || error == ENOENT) {
      error = result->open_file(found.used_bytes, file_bytes, MDB_RDONLY | MDB_NOLOCK);
    }
  }
  if (error == MDB_SUCCESS) error = result->open_trees();
  if (error != MDB_SUCCESS) return refuse(mdb_strerror(error));
  if (!result->read_only_) {
    if (!found.exists) lock.sync();
    if (read_line(directory / kBootName) != boot_id()) remember_boot(directory / kBootName);
  }
  return result;
}

int LmdbEnvironment::open_file(std::uint64_t used_bytes, std::uint64_t file_bytes, unsigned flags) {
  constexpr unsigned kReaders = 1022;
  constexpr MDB_dbi kTrees = 8;
  if (env_ != nullptr) mdb_env_close(std::exchange(env_, nullptr));
  read_only_ = (flags & MDB_RDONLY) != 0;
  locking_ = (flags & MDB_NOLOCK) == 0;
  map_bytes_ = map_size_for(used_bytes, limits_);
  flags |= MDB_NOSUBDIR | MDB_NOTLS | MDB_NOSYNC;
  if (exceeds_memory(file_bytes)) flags |= MDB_NORDAHEAD;

  int error = mdb_env_create(&env_);
  if (error == MDB_SUCCESS) error = mdb_env_set_mapsize(env_, map_bytes_);
  if (error == MDB_SUCCESS) error = mdb_env_set_maxreaders(env_, kReaders);
  if (error == MDB_SUCCESS) error = mdb_env_set_maxdbs(env_, kTrees);
  if (error == MDB_SUCCESS) error = mdb_env_open(env_, data_path_.c_str(), flags, kFileMode);
  if (error != MDB_SUCCESS) return error;

  mdb_filehandle_t fd{};
  if (mdb_env_get_fd(env_, &fd) == MDB_SUCCESS) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  int dead = 0;
  mdb_reader_check(env_, &dead);
  MDB_stat stat{};
  if (mdb_env_stat(env_, &stat) == MDB_SUCCESS) page_bytes_ = stat.ms_psize;
  struct stat status{};
  if (::stat(data_path_.c_str(), &status) != 0) return errno;
  data_ = {.device = status.st_dev, .inode = status.st_ino, .bytes = status.st_size};
  if (!locking_) return MDB_SUCCESS;
  if (::stat(lock_path_.c_str(), &status) != 0) {
    // LMDB does without on a read-only file system.
    locking_ = false;
    return read_only_ ? MDB_SUCCESS : errno;
  }
  lock_ = {.device = status.st_dev, .inode = status.st_ino, .bytes = status.st_size};
  return MDB_SUCCESS;
}

int LmdbEnvironment::open_trees() {
  LmdbTransaction read;
  int error = read.begin(env_, MDB_RDONLY);
  if (error == MDB_SUCCESS) error = open_trees(read.get(), 0);
  has_trees_ = error == MDB_SUCCESS;
  if (error == MDB_SUCCESS) return read.commit();
  if (error != MDB_NOTFOUND) return error;
  if (read_only_) return MDB_SUCCESS;
  read.abort();
  LmdbTransaction write;
  error = write.begin(env_, 0);
  if (error == MDB_SUCCESS) error = open_trees(write.get(), MDB_CREATE);
  MDB_dbi former{};
  if (error == MDB_SUCCESS && mdb_dbi_open(write.get(), kFormerTree, 0, &former) == MDB_SUCCESS) {
    error = mdb_drop(write.get(), former, /*del=*/1);
  }
  if (error == MDB_SUCCESS) error = write.commit();
  has_trees_ = error == MDB_SUCCESS;
  return error;
}

int LmdbEnvironment::open_trees(MDB_txn* transaction, unsigned flags) {
  int error = mdb_dbi_open(transaction, nullptr, 0, &trees_.main);
  const auto open = [&](const char* name, MDB_dbi* tree) {
    if (error == MDB_SUCCESS) error = mdb_dbi_open(transaction, name, flags, tree);
  };
  open("records2", &trees_.records);
  open("rests", &trees_.rests);
  open("uses", &trees_.uses);
  open("gone", &trees_.gone);
  open("notes", &trees_.notes);
  return error;
}

LmdbEnvironment::Health LmdbEnvironment::health() const {
  struct stat status{};
  if (::stat(data_path_.c_str(), &status) != 0 || status.st_dev != data_.device ||
      status.st_ino != data_.inode) {
    return Health::kReplaced;
  }
  // LMDB reads its meta pages through the map even to tell the last page.
  if (static_cast<std::uint64_t>(status.st_size) < 2 * page_bytes_) return Health::kShort;
  MDB_envinfo info{};
  mdb_env_info(env_, &info);
  const std::uint64_t used = (info.me_last_pgno + 1) * page_bytes_;
  if (static_cast<std::uint64_t>(status.st_size) < used && used != tolerated_used_bytes_) {
    // The file grew between the two looks, or it is short.
    if (::stat(data_path_.c_str(), &status) != 0) return Health::kReplaced;
    if (static_cast<std::uint64_t>(status.st_size) < used) return Health::kShort;
  }
  if (locking_ && (::stat(lock_path_.c_str(), &status) != 0 || status.st_dev != lock_.device ||
                   status.st_ino != lock_.inode || status.st_size < lock_.bytes)) {
    return Health::kReplaced;
  }
  return Health::kSound;
}

LmdbEnvironment::Health LmdbEnvironment::recent_health() const {
  constexpr std::int64_t kTrust = 1'000'000;
  const std::int64_t now =
      std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
  if (now < sound_until_.load(std::memory_order_relaxed)) return Health::kSound;
  const Health found = health();
  if (found == Health::kSound) sound_until_.store(now + kTrust, std::memory_order_relaxed);
  return found;
}

bool LmdbEnvironment::is_damaged(std::string* reason) {
  try {
    return has_damage(reason);
  } catch (const std::system_error&) {  // perhaps it can be read the next time
    return false;
  }
}

bool LmdbEnvironment::may_write() const {
  const auto writable = [](const std::string& path) {
    return ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0 || errno == ENOENT;
  };
  return writable(directory_.string()) && writable(data_path_) && writable(lock_path_);
}

bool LmdbEnvironment::has_damage(std::string* reason) {
  mdb_filehandle_t fd{};
  mdb_env_get_fd(env_, &fd);
  if (!read_lmdb_meta(fd, reason)) return true;
  LmdbTransaction block_writers;
  if (!read_only_ && block_writers.begin(env_, 0) == MDB_MAP_RESIZED &&
      resize_map(map_bytes_) == MDB_SUCCESS) {
    block_writers.begin(env_, 0);
  }
  const std::optional<LmdbMeta> meta = read_lmdb_meta(fd, reason);
  struct stat status{};
  if (!meta || ::fstat(fd, &status) != 0) return true;
  if (!check_lmdb_trees(fd, *meta, reason)) return true;
  if (static_cast<std::uint64_t>(status.st_size) < meta->used_bytes()) {
    // Only free pages are missing: LMDB does not write a page that is freed in the transaction that
    // made it. Extend the file, so that its size tells the truth again.
    const auto bytes = static_cast<off_t>(meta->used_bytes());
    if (block_writers.get() == nullptr || ::ftruncate(fd, bytes) != 0) {
      tolerated_used_bytes_ = meta->used_bytes();
    }
  }
  return false;
}

bool LmdbEnvironment::set_aside(const std::string& reason, std::string* notice) const {
  const DirectoryLock lock{directory_};
  return set_aside(directory_, data_.device, data_.inode, reason, notice);
}

bool LmdbEnvironment::set_aside(const fs::path& directory, dev_t device, ino_t inode,
                                const std::string& reason, std::string* notice) {
  const fs::path file = directory / kDataName;
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0 || status.st_dev != device || status.st_ino != inode) {
    return true;
  }
  fs::path aside;
  for (int i = 1; i <= kMaxSetAside; ++i) {
    aside = directory / (std::string{kDataName} + ".damaged-" + std::to_string(i));
    if (::access(aside.c_str(), F_OK) != 0) break;
  }
  if (::rename(file.c_str(), aside.c_str()) != 0) {
    *notice =
        problem(file, "damaged (" + reason + "), and cannot be set aside: " + std::strerror(errno),
                "remove it");
    return false;
  }
  // Its reader table belongs to the old file; whoever has that open keeps both.
  ::unlink((directory / kLockName).c_str());
  *notice = problem(file, "damaged (" + reason + "), a new one was begun",
                    "the old one is '" + aside.filename().string() + "', delete it");
  return true;
}

int LmdbEnvironment::resize_map(std::uint64_t bytes) {
  MDB_envinfo info{};
  mdb_env_info(env_, &info);
  const std::uint64_t used = (info.me_last_pgno + 1) * page_bytes_;
  const std::uint64_t size = std::max(bytes, map_size_for(used, limits_));
  const int error = mdb_env_set_mapsize(env_, size);
  if (error == MDB_SUCCESS) map_bytes_ = size;
  return error;
}

}  // namespace hypernodes
