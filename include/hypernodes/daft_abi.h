/* SPDX-License-Identifier: MIT
 *
 * Daft's native extension interface, version 1, as Daft 0.7 implements it. Usable from C.
 *
 * A shared library exports `FFI_Module daft_module_magic(void)`. Daft calls `init` once for each
 * load_extension, which defines functions; it calls those from any of its threads.
 *
 * Ownership: get_return_field borrows the schemas it is given. call owns its arrays and schemas and
 *            releases them on every path, errors included. What both write to their results is
 *            Daft's, as is an error message, which comes back through free_string.
 * Errors:    a non-zero return with a message. No exception may cross.
 * Source:    Daft:src/daft-ext/src/abi/mod.rs, src/daft-ext/src/function.rs
 */
#ifndef HYPERNODES_DAFT_ABI_H
#define HYPERNODES_DAFT_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The Arrow C Data Interface, under the guard that all its users share. */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema** children;
  struct ArrowSchema* dictionary;
  void (*release)(struct ArrowSchema*);
  void* private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void** buffers;
  struct ArrowArray** children;
  struct ArrowArray* dictionary;
  void (*release)(struct ArrowArray*);
  void* private_data;
};

#endif /* ARROW_C_DATA_INTERFACE */

#define HYPERNODES_DAFT_ABI_VERSION 1

/* A function of whole columns. `ctx` goes to every call; `fini` frees it. */
struct FFI_ScalarFunction {
  const void* ctx;
  /* Unique in a session, NUL-terminated; lives as long as ctx. */
  const char* (*name)(const void* ctx);
  /* The result's type for arguments of these types. Asked when planning and before each call. */
  int (*get_return_field)(const void* ctx, const struct ArrowSchema* args, size_t args_count,
                          struct ArrowSchema* result, char** error);
  int (*call)(const void* ctx, const struct ArrowArray* args,
              const struct ArrowSchema* args_schemas, size_t args_count, struct ArrowArray* result,
              struct ArrowSchema* result_schema, char** error);
  void (*fini)(void* ctx);
};

/* What init is given. Newer hosts have more members after these: never copy it, never read on. */
struct FFI_SessionContext {
  void* ctx;
  int (*define_function)(void* ctx, struct FFI_ScalarFunction function);
};

struct FFI_Module {
  uint32_t daft_abi_version;
  const char* name;
  int (*init)(struct FFI_SessionContext* session);
  void (*free_string)(char* text);
};

#ifdef __cplusplus
} /* extern "C" */

/* A drifted layout fails to build. */
#define HYPERNODES_DAFT_ABI_AT(type, member, words)                \
  static_assert(offsetof(type, member) == (words) * sizeof(void*), \
                "the layout of " #type "::" #member " is Daft's, not ours to change")

static_assert(sizeof(void*) == 8 && sizeof(size_t) == 8);

HYPERNODES_DAFT_ABI_AT(ArrowSchema, format, 0);
HYPERNODES_DAFT_ABI_AT(ArrowSchema, name, 1);
HYPERNODES_DAFT_ABI_AT(ArrowSchema, metadata, 2);
HYPERNODES_DAFT_ABI_AT(ArrowSchema, flags, 3);
HYPERNODES_DAFT_ABI_AT(ArrowSchema, n_children, 4);
HYPERNODES_DAFT_ABI_AT(ArrowSchema, children, 5);
HYPERNODES_DAFT_ABI_AT(ArrowSchema, dictionary, 6);
HYPERNODES_DAFT_ABI_AT(ArrowSchema, release, 7);
HYPERNODES_DAFT_ABI_AT(ArrowSchema, private_data, 8);
static_assert(sizeof(ArrowSchema) == 9 * sizeof(void*));

HYPERNODES_DAFT_ABI_AT(ArrowArray, length, 0);
HYPERNODES_DAFT_ABI_AT(ArrowArray, null_count, 1);
HYPERNODES_DAFT_ABI_AT(ArrowArray, offset, 2);
HYPERNODES_DAFT_ABI_AT(ArrowArray, n_buffers, 3);
HYPERNODES_DAFT_ABI_AT(ArrowArray, n_children, 4);
HYPERNODES_DAFT_ABI_AT(ArrowArray, buffers, 5);
HYPERNODES_DAFT_ABI_AT(ArrowArray, children, 6);
HYPERNODES_DAFT_ABI_AT(ArrowArray, dictionary, 7);
HYPERNODES_DAFT_ABI_AT(ArrowArray, release, 8);
HYPERNODES_DAFT_ABI_AT(ArrowArray, private_data, 9);
static_assert(sizeof(ArrowArray) == 10 * sizeof(void*));

HYPERNODES_DAFT_ABI_AT(FFI_ScalarFunction, ctx, 0);
HYPERNODES_DAFT_ABI_AT(FFI_ScalarFunction, name, 1);
HYPERNODES_DAFT_ABI_AT(FFI_ScalarFunction, get_return_field, 2);
HYPERNODES_DAFT_ABI_AT(FFI_ScalarFunction, call, 3);
HYPERNODES_DAFT_ABI_AT(FFI_ScalarFunction, fini, 4);
static_assert(sizeof(FFI_ScalarFunction) == 5 * sizeof(void*));

HYPERNODES_DAFT_ABI_AT(FFI_SessionContext, ctx, 0);
HYPERNODES_DAFT_ABI_AT(FFI_SessionContext, define_function, 1);
static_assert(sizeof(FFI_SessionContext) == 2 * sizeof(void*));

HYPERNODES_DAFT_ABI_AT(FFI_Module, daft_abi_version, 0);
HYPERNODES_DAFT_ABI_AT(FFI_Module, name, 1);
HYPERNODES_DAFT_ABI_AT(FFI_Module, init, 2);
HYPERNODES_DAFT_ABI_AT(FFI_Module, free_string, 3);
static_assert(sizeof(FFI_Module) == 4 * sizeof(void*));

#undef HYPERNODES_DAFT_ABI_AT
#endif /* __cplusplus */

#endif /* HYPERNODES_DAFT_ABI_H */
