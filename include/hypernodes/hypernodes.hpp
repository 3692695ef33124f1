// SPDX-License-Identifier: MIT
#pragma once

// Everything: nodes, pipelines, engines, caches, events, drawings.

#include "hypernodes/cache.hpp"
#include "hypernodes/column.hpp"
#include "hypernodes/daft.hpp"
#include "hypernodes/digest.hpp"
#include "hypernodes/draw.hpp"
#include "hypernodes/engine.hpp"
#include "hypernodes/error.hpp"
#include "hypernodes/event.hpp"
#include "hypernodes/explanation.hpp"
#include "hypernodes/library.hpp"
#include "hypernodes/map_plan.hpp"
#include "hypernodes/node.hpp"
#include "hypernodes/pipeline.hpp"
#include "hypernodes/retry.hpp"
#include "hypernodes/statistics.hpp"
#include "hypernodes/traits.hpp"
#include "hypernodes/type.hpp"
#include "hypernodes/value.hpp"
