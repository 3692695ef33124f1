// SPDX-License-Identifier: MIT
//
// What a C++ programmer would write for Daft by hand: two int64 functions over the plain C ABI.
//
// The measure of our native columns: `bench daft` wants ours within 10% of it. It does all that an
// honest extension must (types checked, offset and nulls respected, inputs released on every path)
// and nothing more. The ABI is declared here again, not taken from hypernodes/daft_abi.h, so that
// the program stays independent of what it measures.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

extern "C" {

struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  std::int64_t flags;
  std::int64_t n_children;
  ArrowSchema** children;
  ArrowSchema* dictionary;
  void (*release)(ArrowSchema*);
  void* private_data;
};

struct ArrowArray {
  std::int64_t length;
  std::int64_t null_count;
  std::int64_t offset;
  std::int64_t n_buffers;
  std::int64_t n_children;
  const void** buffers;
  ArrowArray** children;
  ArrowArray* dictionary;
  void (*release)(ArrowArray*);
  void* private_data;
};

struct FFI_ScalarFunction {
  const void* ctx;
  const char* (*name)(const void*);
  int (*get_return_field)(const void*, const ArrowSchema*, std::size_t, ArrowSchema*, char**);
  int (*call)(const void*, const ArrowArray*, const ArrowSchema*, std::size_t, ArrowArray*,
              ArrowSchema*, char**);
  void (*fini)(void*);
};

struct FFI_SessionContext {
  void* ctx;
  int (*define_function)(void*, FFI_ScalarFunction);
};

struct FFI_Module {
  std::uint32_t abi_version;
  const char* name;
  int (*init)(FFI_SessionContext*);
  void (*free_string)(char*);
};

}  // extern "C"

namespace {

constexpr std::int64_t kNullable = 2;

std::int64_t twice(std::int64_t x) { return x * 2; }
std::int64_t add_ten(std::int64_t doubled) { return doubled + 10; }

int fail(char** error, const char* message) {
  *error = strdup(message);
  return 1;
}

void make_int64_schema(ArrowSchema* schema) {
  *schema = {};
  schema->format = "l";
  schema->name = "out";
  schema->flags = kNullable;
  schema->release = [](ArrowSchema* self) { self->release = nullptr; };
}

void* allocate(std::int64_t bytes) {
  const auto size = static_cast<std::size_t>(bytes);
  return std::aligned_alloc(64, (size / 64 + 1) * 64);
}

/// A copy of `in`'s validity bits, moved to offset 0; null if every row is valid.
std::uint8_t* copy_validity(const ArrowArray& in) {
  const auto* bits = static_cast<const std::uint8_t*>(in.buffers[0]);
  if (bits == nullptr || in.null_count == 0) return nullptr;
  const std::int64_t bytes = (in.length + 7) / 8;
  auto* copy = static_cast<std::uint8_t*>(allocate(bytes));
  std::memset(copy, 0, static_cast<std::size_t>(bytes));
  for (std::int64_t i = 0; i < in.length; ++i) {
    const std::int64_t from = in.offset + i;
    if ((bits[from / 8] >> (from % 8)) & 1) copy[i / 8] |= static_cast<std::uint8_t>(1 << (i % 8));
  }
  return copy;
}

template <std::int64_t (*F)(std::int64_t)>
void apply(const ArrowArray& in, ArrowArray* out) {
  const auto* x = static_cast<const std::int64_t*>(in.buffers[1]) + in.offset;
  auto* values = static_cast<std::int64_t*>(allocate(in.length * 8));
  for (std::int64_t i = 0; i < in.length; ++i) values[i] = F(x[i]);
  *out = {};
  out->length = in.length;
  out->null_count = in.null_count;
  out->n_buffers = 2;
  out->buffers = static_cast<const void**>(std::malloc(2 * sizeof(void*)));
  out->buffers[0] = copy_validity(in);
  out->buffers[1] = values;
  out->release = [](ArrowArray* self) {
    std::free(const_cast<void*>(self->buffers[0]));
    std::free(const_cast<void*>(self->buffers[1]));
    std::free(self->buffers);
    self->release = nullptr;
  };
}

int get_return_field(const void*, const ArrowSchema* args, std::size_t n, ArrowSchema* result,
                     char** error) {
  if (n != 1 || std::strcmp(args[0].format, "l") != 0) return fail(error, "expected one int64");
  make_int64_schema(result);
  return 0;
}

template <std::int64_t (*F)(std::int64_t)>
int call(const void*, const ArrowArray* args, const ArrowSchema* schemas, std::size_t n,
         ArrowArray* result, ArrowSchema* result_schema, char** error) {
  const bool fits = n == 1 && std::strcmp(schemas[0].format, "l") == 0;
  if (fits) {
    apply<F>(args[0], result);
    make_int64_schema(result_schema);
  }
  for (std::size_t i = 0; i < n; ++i) {  // the callee owns them
    ArrowArray array = args[i];
    ArrowSchema schema = schemas[i];
    if (array.release != nullptr) array.release(&array);
    if (schema.release != nullptr) schema.release(&schema);
  }
  return fits ? 0 : fail(error, "expected one int64");
}

template <std::int64_t (*F)(std::int64_t)>
FFI_ScalarFunction function(const char* name) {
  return {name, [](const void* ctx) { return static_cast<const char*>(ctx); }, get_return_field,
          call<F>, [](void*) {}};
}

}  // namespace

extern "C" __attribute__((visibility("default"))) FFI_Module daft_module_magic() {
  return {1, "handwritten",
          [](FFI_SessionContext* session) {
            return session->define_function(session->ctx, function<twice>("handwritten_twice")) |
                   session->define_function(session->ctx, function<add_ten>("handwritten_add_ten"));
          },
          [](char* text) { std::free(text); }};
}
