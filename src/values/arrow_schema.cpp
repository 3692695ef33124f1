// SPDX-License-Identifier: MIT
#include "values/arrow_schema.hpp"

#include <algorithm>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "hypernodes/column.hpp"
#include "hypernodes/error.hpp"

namespace hypernodes {
namespace arrow {
namespace {

constexpr int kMaxDepth = 200;  // Bounds the recursion on schemas of strangers.

void check(bool holds, const ArrowSchema& schema, const std::string& why) {
  if (holds) return;
  throw TypeError(
      "damaged Arrow schema: " + why,
      schema.name == nullptr ? std::string() : std::string("field '") + schema.name + "'",
      "the program that made it breaks the Arrow C data interface");
}

/// nanoarrow refuses maps with nullable keys or entries, which Daft makes.
bool is_map(const ArrowSchema& schema) { return std::string_view(schema.format) == "+m"; }

Type import_type(const ArrowSchema* schema, int depth);

Type field_type(const ArrowSchema& schema, std::int64_t index, int depth) {
  return import_type(schema.children[index], depth + 1);
}

Type map_type(const ArrowSchema& schema, int depth) {
  const ArrowSchema& entries = *schema.children[0];
  check(entries.format != nullptr && std::string_view(entries.format) == "+s" &&
            entries.n_children == 2,
        schema, "the entries of a map must be a struct of two fields");
  const Type type = field_type(schema, 0, depth);
  return Type::map(type.fields()[0].type, type.fields()[1].type);
}

Type struct_type(const ArrowSchema& schema, int depth) {
  std::vector<Field> fields;
  for (std::int64_t i = 0; i < schema.n_children; ++i) {
    const char* name = schema.children[i]->name;
    fields.push_back({name == nullptr ? "" : name, field_type(schema, i, depth)});
  }
  return Type::structure(std::move(fields));
}

[[noreturn]] void refuse(const ArrowSchema& schema, const Format& format) {
  const char* name = ArrowTypeString(format.type);
  throw TypeError(std::string("the Arrow type ") + (name == nullptr ? "unknown" : name) +
                      " (format '" + schema.format + "') has no hypernodes type",
                  schema.name == nullptr || schema.name[0] == 0
                      ? std::string()
                      : std::string("field '") + schema.name + "'",
                  "cast it first: null, bool, integers, floats, string, binary, list, "
                  "fixed-size list, map, struct and dictionaries of these are supported");
}

Type required_type(const ArrowSchema& schema, int depth) {
  if (schema.dictionary != nullptr) return import_type(schema.dictionary, depth + 1).required();
  const Format format = format_of(schema);
  switch (format.type) {
    case NANOARROW_TYPE_NA:
      return Kind::kNull;
    case NANOARROW_TYPE_BOOL:
      return Kind::kBool;
    case NANOARROW_TYPE_INT8:
    case NANOARROW_TYPE_UINT8:
    case NANOARROW_TYPE_INT16:
    case NANOARROW_TYPE_UINT16:
    case NANOARROW_TYPE_INT32:
    case NANOARROW_TYPE_UINT32:
    case NANOARROW_TYPE_INT64:
    case NANOARROW_TYPE_UINT64:
      return Kind::kInt64;
    case NANOARROW_TYPE_HALF_FLOAT:
    case NANOARROW_TYPE_FLOAT:
    case NANOARROW_TYPE_DOUBLE:
      return Kind::kFloat64;
    case NANOARROW_TYPE_STRING:
    case NANOARROW_TYPE_LARGE_STRING:
    case NANOARROW_TYPE_STRING_VIEW:
      return Kind::kString;
    case NANOARROW_TYPE_BINARY:
    case NANOARROW_TYPE_LARGE_BINARY:
    case NANOARROW_TYPE_BINARY_VIEW:
      return Kind::kBytes;
    case NANOARROW_TYPE_LIST:
    case NANOARROW_TYPE_LARGE_LIST:
    case NANOARROW_TYPE_FIXED_SIZE_LIST:
      return Type::list(field_type(schema, 0, depth));
    case NANOARROW_TYPE_MAP:
      return map_type(schema, depth);
    case NANOARROW_TYPE_STRUCT:
      return struct_type(schema, depth);
    default:
      refuse(schema, format);
  }
}

Type import_type(const ArrowSchema* schema, int depth) {
  format_of(*schema);
  check(depth < kMaxDepth, *schema, "it is nested deeper than " + std::to_string(kMaxDepth));
  const Type type = required_type(*schema, depth);
  return (schema->flags & ARROW_FLAG_NULLABLE) != 0 ? type.optional() : type;
}

void check_export(ArrowErrorCode code) {
  if (code != NANOARROW_OK) throw std::bad_alloc();
}

void export_type(const Type& type, std::string_view name, ArrowSchema* out);

void export_fields(const std::vector<Field>& fields, ArrowSchema* out) {
  check_export(ArrowSchemaAllocateChildren(out, static_cast<std::int64_t>(fields.size())));
  for (std::size_t i = 0; i < fields.size(); ++i) {
    ArrowSchemaInit(out->children[i]);
    export_type(fields[i].type, fields[i].name, out->children[i]);
  }
}

void export_map(const Type& type, ArrowSchema* out) {
  // Arrow's maps have no null keys.
  const Type entries =
      Type::structure({{"key", type.fields()[0].type.required()}, type.fields()[1]});
  export_fields({{"entries", entries}}, out);
}

const char* format_text(const Type& type) {
  switch (type.kind()) {
    case Kind::kNull:
      return "n";
    case Kind::kBool:
      return "b";
    case Kind::kInt64:
      return "l";
    case Kind::kFloat64:
      return "g";
    case Kind::kString:
      return "U";
    case Kind::kBytes:
      return "Z";
    case Kind::kList:
      return "+L";
    case Kind::kMap:
      return "+m";
    case Kind::kStruct:
      return "+s";
    default:
      throw TypeError("a column of objects has no Arrow form", {},
                      "give the node that makes it a type hint that says what is inside");
  }
}

void export_type(const Type& type, std::string_view name, ArrowSchema* out) {
  check_export(ArrowSchemaSetFormat(out, format_text(type)));
  check_export(ArrowSchemaSetName(out, std::string(name).c_str()));
  out->flags = type.nullable() ? ARROW_FLAG_NULLABLE : 0;
  if (type.kind() == Kind::kMap) {
    export_map(type, out);
  } else if (!type.fields().empty()) {
    export_fields(type.fields(), out);
  }
}

}  // namespace

Format format_of(const ArrowSchema& schema) {
  check(schema.release != nullptr, schema, "it was released");
  check(schema.format != nullptr, schema, "it has no format");
  check(schema.n_children >= 0 && (schema.n_children == 0 || schema.children != nullptr), schema,
        "it has no children where it says so");
  for (std::int64_t i = 0; i < schema.n_children; ++i) {
    check(schema.children[i] != nullptr && schema.children[i]->release != nullptr, schema,
          "a child is missing");
  }
  if (is_map(schema)) {
    check(schema.n_children == 1, schema, "a map must have one child");
    return {NANOARROW_TYPE_MAP, 0};
  }
  ArrowSchemaView view;
  ArrowError error;
  ArrowErrorInit(&error);
  const ArrowErrorCode code = ArrowSchemaViewInit(&view, &schema, &error);
  check(code == NANOARROW_OK, schema, error.message);
  if (view.storage_type == NANOARROW_TYPE_FIXED_SIZE_LIST) {
    check(view.fixed_size >= 0, schema, "a fixed-size list has a negative size");
    return {view.type, view.fixed_size};
  }
  return {schema.dictionary == nullptr ? view.type : view.storage_type, 0};
}

}  // namespace arrow

Type Column::import_schema(const ArrowSchema* schema) { return arrow::import_type(schema, 0); }

void Column::export_schema(const Type& type, std::string_view name, ArrowSchema* schema) {
  arrow::Owned<ArrowSchema> made;
  ArrowSchemaInit(&made.content);
  arrow::export_type(type, name, &made.content);
  made.move_to(schema);
}

}  // namespace hypernodes
