// SPDX-License-Identifier: MIT
#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <string>

#include "hypernodes/node.hpp"
#include "values/codec.hpp"

namespace hypernodes::detail {
namespace {

/// A loaded library or program: where it lies and what its content is.
struct Module {
  std::uintptr_t base = 0;
  std::string content;
  std::string path;  ///< Empty: the program itself.
};

struct Search {
  std::uintptr_t address;
  Module found;
  std::string path;
};

/// The linker's build id among the notes of a segment; empty if there is none.
std::string build_id(const char* notes, std::size_t size) {
  std::size_t at = 0;
  while (at + sizeof(ElfW(Nhdr)) <= size) {
    ElfW(Nhdr) note;
    __builtin_memcpy(&note, notes + at, sizeof note);
    const std::size_t name = at + sizeof note;
    const std::size_t description = name + ((note.n_namesz + 3U) & ~3U);
    if (description + note.n_descsz > size) break;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
        std::string_view(notes + name, 3) == "GNU") {
      return {notes + description, note.n_descsz};
    }
    at = description + ((note.n_descsz + 3U) & ~3U);
  }
  return {};
}

int visit(dl_phdr_info* info, std::size_t, void* data) {
  auto& search = *static_cast<Search*>(data);
  bool holds = false;
  std::string id;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    const std::uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && search.address >= begin &&
        search.address < begin + segment.p_memsz) {
      holds = true;
    }
    if (segment.p_type == PT_NOTE && id.empty()) {
      id = build_id(reinterpret_cast<const char*>(begin), segment.p_filesz);
    }
  }
  if (!holds) return 0;
  search.found = {info->dlpi_addr, id.empty() ? "" : "build id " + id, {}};
  search.path = info->dlpi_name;
  return 1;
}

Module module_of(const void* address) {
  Search search{reinterpret_cast<std::uintptr_t>(address), {}, {}};
  dl_iterate_phdr(visit, &search);
  if (search.found.content.empty()) {
    // Linked without a build id: the file's own bytes, read once.
    static std::mutex mutex;
    static std::map<std::string, std::string> contents;
    const std::string path = search.path.empty() ? "/proc/self/exe" : search.path;
    const std::lock_guard lock(mutex);
    std::string& content = contents[path];
    if (content.empty()) {
      std::ifstream file(path, std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(file), {}};
      content = "file " + Digest::of_bytes(bytes).hex();
    }
    search.found.content = content;
  }
  search.found.path = search.path;
  return search.found;
}

/// A build id is binary; in texts it is digits.
std::string shown(const std::string& content) {
  static constexpr std::string_view kBuildId = "build id ";
  if (!content.starts_with(kBuildId)) return content;
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(kBuildId);
  for (const char byte : std::string_view(content).substr(kBuildId.size())) {
    text += kDigits[static_cast<unsigned char>(byte) >> 4U];
    text += kDigits[static_cast<unsigned char>(byte) & 15U];
  }
  return text;
}

}  // namespace

Digest code_identity(const void* address, const char* type) {
  const Module module = module_of(address);
  std::string text = "C++ function\n" + module.content + '\n' + type + '\n';
  codec::put_word(
      text, static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(address) - module.base));
  return Digest::of_bytes(text);
}

std::function<CodeParts()> library_parts(const void* address) {
  return [address]() -> CodeParts {
    const Module module = module_of(address);
    if (module.path.empty()) return {{"program", "", shown(module.content)}};
    const std::string file = std::filesystem::path(module.path).filename().string();
    return {{"node library", file, shown(module.content)}};
  };
}

}  // namespace hypernodes::detail
