// SPDX-License-Identifier: MIT
#include "cache/pickle_key.hpp"

#include <fcntl.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "hypernodes/error.hpp"

namespace hypernodes::detail {
namespace {

namespace fs = std::filesystem;

constexpr const char* kVariable = "HYPERNODES_PICKLE_KEY";
constexpr std::size_t kFileBytes = 32;
constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;
constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

/// A secret that nobody can guess; empty if the system has no randomness.
std::string random_bytes() {
  std::string bytes(kFileBytes, '\0');
  const int made = RAND_priv_bytes(reinterpret_cast<unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  return made == 1 ? bytes : std::string();
}

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

/// Empty if there is no home directory.
std::string file_of_user() {
  fs::path data = variable("XDG_DATA_HOME");
  if (!data.is_absolute()) {  // the XDG specification: a relative path counts as none
    const fs::path home = variable("HOME");
    if (!home.is_absolute()) return {};
    data = home / ".local" / "share";
  }
  return (data / "hypernodes" / "pickle.key").string();
}

/// Makes a directory and those above it, for its owner alone.
bool make_directories(const fs::path& directory) {
  if (::mkdir(directory.c_str(), kDirectoryMode) == 0 || errno == EEXIST) return true;
  if (errno != ENOENT || !directory.has_relative_path()) return false;
  return make_directories(directory.parent_path()) &&
         (::mkdir(directory.c_str(), kDirectoryMode) == 0 || errno == EEXIST);
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

/// Makes the file with a new secret, in one step: of several processes one wins, and none sees a
/// part of it. True if a file is there afterwards, whoever made it.
bool make_file(const std::string& file, std::string* why) {
  if (!make_directories(fs::path(file).parent_path())) {
    *why = "its directory cannot be made: " + std::string(std::strerror(errno));
    return false;
  }
  const std::string secret = random_bytes();
  if (secret.empty()) {
    *why = "it cannot be made: the system has no random numbers";
    return false;
  }
  std::string draft = file + ".XXXXXX";
  const int fd = ::mkostemp(draft.data(), O_CLOEXEC);  // mode 0600
  if (fd < 0) {
    *why = "it cannot be made: " + std::string(std::strerror(errno));
    return false;
  }
  bool made = ::fchmod(fd, kFileMode) == 0 && write_all(fd, secret) && ::fsync(fd) == 0 &&
              ::link(draft.c_str(), file.c_str()) == 0;
  made = made || errno == EEXIST;  // another process was quicker
  if (!made) *why = "it cannot be made: " + std::string(std::strerror(errno));
  ::close(fd);
  ::unlink(draft.c_str());
  return made;
}

/// The secret in `file`; empty if it cannot be used, with the reason in `why`. `*missing`: there
/// is no such file.
std::string read_file(const std::string& file, bool* missing, std::string* why) {
  *missing = false;
  // Not to wait for the writer of a pipe that lies there.
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) {
    *missing = errno == ENOENT;
    *why = errno == ELOOP ? "it is not a regular file"
                          : "it cannot be opened: " + std::string(std::strerror(errno));
    return {};
  }
  // One byte more than there should be.
  std::string bytes(kFileBytes + 1, '\0');
  struct stat status{};
  why->clear();
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    *why = "it is not a regular file";
  } else if (status.st_uid != ::geteuid()) {
    *why = "it belongs to another user";
  } else if ((status.st_mode & kOthers) != 0) {
    *why = "others can read or write it; make a new one by deleting it, since they may know it";
  } else if (::read(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(kFileBytes)) {
    *why = "it does not hold 32 bytes; make a new one by deleting it";
  }
  ::close(fd);
  if (!why->empty()) return {};
  bytes.resize(kFileBytes);
  return bytes;
}

}  // namespace

PickleKey::PickleKey(std::string secret, std::string file, std::string refusal)
    : file_(std::move(file)), refusal_(std::move(refusal)) {
  if (!secret.empty()) publish(std::move(secret));
}

std::unique_ptr<PickleKey> PickleKey::choose(const std::optional<std::string>& secret) {
  std::string given = secret ? *secret : variable(kVariable);
  if ((secret || !given.empty()) && given.size() < kLeast) {
    throw CacheError("The pickle key has " + std::to_string(given.size()) + " bytes",
                     secret ? "pickle_key" : kVariable,
                     "give " + std::to_string(kLeast) +
                         " or more that nobody can guess, such as secrets.token_hex(32)");
  }
  std::string file = given.empty() ? file_of_user() : std::string();
  std::string refusal = "there is no home directory for the key; give one with pickle_key or " +
                        std::string(kVariable);
  return std::unique_ptr<PickleKey>(
      new PickleKey(std::move(given), std::move(file), std::move(refusal)));
}

std::unique_ptr<PickleKey> PickleKey::ephemeral() {
  return std::unique_ptr<PickleKey>(
      new PickleKey(random_bytes(), {}, "the system has no random numbers"));
}

std::unique_ptr<PickleKey> PickleKey::not_allowed() {
  return none("this cache does not allow pickles (allow_pickle=False)");
}

std::unique_ptr<PickleKey> PickleKey::none(std::string why) {
  return std::unique_ptr<PickleKey>(new PickleKey({}, {}, std::move(why)));
}

std::string_view PickleKey::publish(std::string secret) {
  auto mine = std::make_unique<const std::string>(std::move(secret));
  const std::string* first = nullptr;
  // acq_rel: pairs with itself and with the load in find().
  if (secret_.compare_exchange_strong(first, mine.get(), std::memory_order_acq_rel)) {
    return *mine.release();
  }
  return *first;  // another thread read the same file
}

std::string_view PickleKey::find(bool make, std::string* why) {
  // acquire: pairs with publish().
  if (const std::string* known = secret_.load(std::memory_order_acquire)) return *known;
  std::string reason = refusal_;
  if (!file_.empty()) {
    bool missing = false;
    std::string secret = read_file(file_, &missing, &reason);
    if (missing && make && make_file(file_, &reason)) secret = read_file(file_, &missing, &reason);
    if (!secret.empty()) return publish(std::move(secret));
    reason = "the key '" + file_ + "' cannot be used: " + reason;
  }
  if (why != nullptr) *why = std::move(reason);
  return {};
}

}  // namespace hypernodes::detail
