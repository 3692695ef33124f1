// SPDX-License-Identifier: MIT
// Arrow data into a map and out of it, as programs do that speak the Arrow C data interface.

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "hypernodes/column.hpp"
#include "hypernodes/daft_abi.h"
#include "hypernodes/error.hpp"
#include "hypernodes/pipeline.hpp"

namespace hypernodes {
namespace {

std::int64_t same(std::int64_t x) { return x; }
std::int64_t twice(std::int64_t x) { return x * 2; }

/// A record batch as others make them: one nullable column of whole numbers.
void make_batch(const std::vector<Value>& items, ArrowArray* array, ArrowSchema* schema) {
  const Type type = Type(Kind::kInt64).optional();
  const Column x = Column::of(type, items);
  Column::assemble(Type::structure({{"x", type}}), x.size(), {}, {}, {}, {x})
      .export_arrow(array, schema);
}

TEST(ArrowMapTest, RecordBatchGoesInAndColumnsComeOut) {
  ArrowArray array;
  ArrowSchema schema;
  make_batch({1, 2, 3}, &array, &schema);
  const auto* const memory = static_cast<const std::int64_t*>(array.children[0]->buffers[1]);
  const Column batch = Column::import_arrow(&array, &schema);
  const Column x = batch.field(0).cast(Kind::kInt64);
  EXPECT_EQ(x.int64s(), memory);

  const Pipeline pipeline{node<twice>("doubled", {"x"}), node<same>("other", {"x"})};
  const Columns made = pipeline.map({{"x", Value::list(x)}}, over("x"));
  made["doubled"].export_arrow(&array, &schema);
  ASSERT_EQ(array.length, 3);
  const auto* const doubled = static_cast<const std::int64_t*>(array.buffers[1]);
  EXPECT_EQ(std::vector<std::int64_t>(doubled, doubled + 3), (std::vector<std::int64_t>{2, 4, 6}));
  array.release(&array);
  schema.release(&schema);
}

TEST(ArrowMapTest, NullsThatTheNodeDoesNotTakeAreToldBefore) {
  ArrowArray array;
  ArrowSchema schema;
  make_batch({1, Value()}, &array, &schema);
  const Column x = Column::import_arrow(&array, &schema).field(0);
  const Pipeline pipeline{node<twice>("doubled", {"x"})};
  EXPECT_THROW(pipeline.map({{"x", Value::list(x)}}, over("x")), TypeError);
  EXPECT_THROW(x.cast(Kind::kInt64), TypeError);
}

}  // namespace
}  // namespace hypernodes
