// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "hypernodes/type.hpp"
#include "nanoarrow/nanoarrow.h"

namespace hypernodes::arrow {

struct Format {
  ArrowType type;
  std::int32_t fixed_size;  ///< Elements in each row of a fixed-size list.
};

/// What `schema` says about its own level. Throws: TypeError if it is damaged.
Format format_of(const ArrowSchema& schema);

/// Releases a schema or array unless it was moved away.
template <typename Struct>
struct Owned {
  Owned() = default;
  explicit Owned(Struct* from) : content(*from) { from->release = nullptr; }
  ~Owned() {
    if (content.release != nullptr) content.release(&content);
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  void move_to(Struct* to) {
    *to = content;
    content.release = nullptr;
  }
  Struct content{};
};

}  // namespace hypernodes::arrow
