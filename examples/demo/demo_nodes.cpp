// SPDX-License-Identifier: MIT
//
// The demo's C++ nodes, for Python: hypernodes.load("libdemo_nodes.so").normalise is a node.

#include <hypernodes/hypernodes.hpp>

#include "text.hpp"

namespace hn = hypernodes;

HYPERNODES_LIBRARY(demo_nodes, library) {
  library.add(hn::node<demo::normalise>("normalised", {"text"}));
  library.add(hn::node<demo::tokenise>("tokens", {"normalised"}));
  library.add(hn::node<demo::count>("counts", {"tokens"}));
}
