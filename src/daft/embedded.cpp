// SPDX-License-Identifier: MIT
#include "daft/embedded.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "daft/interpreter.hpp"
#include "hypernodes/error.hpp"

namespace hypernodes::daft {
namespace {

struct PyObject;  // opaque: this library is built without Python

/// The few functions of Python's C interface that it takes to start an interpreter and call one
/// function, found at run time: one build works with every Python version.
struct Python {
  explicit Python(void* library) : library_(library) {
    find("Py_IsInitialized", &is_initialized);
    find("Py_DecodeLocale", &decode_locale);
    find("Py_InitializeEx", &initialize);
    find("PyEval_SaveThread", &save_thread);
    find("PyGILState_Ensure", &ensure);
    find("PyGILState_Release", &release);
    find("PyImport_ImportModule", &import_module);
    find("PyObject_CallMethod", &call_method);
    find("PyErr_Fetch", &fetch_error);
    find("PyErr_NormalizeException", &normalize_error);
    find("PyErr_Clear", &clear_error);
    find("PyObject_Str", &str);
    find("PyUnicode_AsUTF8", &as_utf8);
    find("PyObject_GetAttrString", &get_attribute);
    find("Py_DecRef", &dec_ref);
    find("PyErr_GivenExceptionMatches", &matches);
    find("PyExc_ImportError", &import_error);
  }

  /// Sets `*function`; throws if this is no Python that can be used.
  template <typename Function>
  void find(const char* name, Function** function) {
    *function = reinterpret_cast<Function*>(dlsym(library_, name));
    if (*function == nullptr) {
      throw DependencyMissingError(std::string("the Python library lacks ") + name, {},
                                   "set HYPERNODES_PYTHON to a Python 3.11, 3.12 or 3.13");
    }
  }

  int (*is_initialized)();
  wchar_t* (*decode_locale)(const char*, std::size_t*);
  void (*initialize)(int);
  void* (*save_thread)();
  int (*ensure)();
  void (*release)(int);
  PyObject* (*import_module)(const char*);
  PyObject* (*call_method)(PyObject*, const char*, const char*, ...);
  void (*fetch_error)(PyObject**, PyObject**, PyObject**);
  void (*normalize_error)(PyObject**, PyObject**, PyObject**);
  void (*clear_error)();
  PyObject* (*str)(PyObject*);
  const char* (*as_utf8)(PyObject*);
  PyObject* (*get_attribute)(PyObject*, const char*);
  void (*dec_ref)(PyObject*);
  int (*matches)(PyObject*, PyObject*);
  PyObject** import_error;

 private:
  void* library_;
};

/// Starts the interpreter as if the program were it: so it finds its virtual environment.
Python start() {
  const Interpreter found = find_interpreter();
  // Global: extension modules expect Python's symbols in the program.
  void* const library = dlopen(found.library.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) {
    throw DependencyMissingError("cannot load the Python library: " + std::string(dlerror()),
                                 found.executable,
                                 "install Python's shared library, or set HYPERNODES_PYTHON");
  }
  Python python(library);
  // Deprecated for its successor's struct, whose layout differs from version to version; there
  // until 3.14.
  void (*set_program_name)(const wchar_t*) = nullptr;
  python.find("Py_SetProgramName", &set_program_name);
  set_program_name(python.decode_locale(found.executable.c_str(), nullptr));
  python.initialize(/*install_signal_handlers=*/0);
  python.save_thread();
  return python;
}

const Python& python() {
  static std::mutex mutex;
  static Python* instance = nullptr;  // never shut down: Daft's threads may be in it
  const std::scoped_lock lock(mutex);
  if (instance == nullptr) {
    using IsInitialized = int();
    auto* const running = reinterpret_cast<IsInitialized*>(dlsym(RTLD_DEFAULT, "Py_IsInitialized"));
    const bool is_running = running != nullptr && running() != 0;
    instance = new Python(is_running ? Python(RTLD_DEFAULT) : start());
  }
  return *instance;
}

/// Python's lock, for one call.
class Locked {
 public:
  explicit Locked(const Python& python) : python_(python), state_(python.ensure()) {}
  ~Locked() { python_.release(state_); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  const Python& python_;
  int state_;
};

/// A reference to a Python object. REQUIRES: the lock.
class Reference {
 public:
  Reference(const Python& python, PyObject* object) : python_(python), object_(object) {}
  ~Reference() {
    if (object_ != nullptr) python_.dec_ref(object_);
  }
  Reference(Reference&& other) noexcept
      : python_(other.python_), object_(std::exchange(other.object_, nullptr)) {}
  Reference& operator=(Reference&&) = delete;
  PyObject* get() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }

  /// As Python's str() has it; empty if that fails.
  std::string text() const {
    if (object_ == nullptr) return {};
    const Reference string(python_, python_.str(object_));
    const char* const utf8 = string ? python_.as_utf8(string.get()) : nullptr;
    if (utf8 == nullptr) python_.clear_error();
    return utf8 == nullptr ? std::string() : utf8;
  }

 private:
  const Python& python_;
  PyObject* object_;
};

[[noreturn]] void throw_python_error(const Python& python) {
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
  python.fetch_error(&type, &value, &traceback);
  python.normalize_error(&type, &value, &traceback);
  const Reference owned_type(python, type), owned_value(python, value),
      owned_traceback(python, traceback);
  const std::string text = owned_value.text();
  if (value != nullptr && python.matches(value, *python.import_error) != 0) {
    throw DependencyMissingError(
        text, "the Python of this program",
        "install the Python packages daft and hypernodes into it, or name another interpreter "
        "with HYPERNODES_PYTHON");
  }
  const Reference name(python, type == nullptr ? nullptr : python.get_attribute(type, "__name__"));
  throw Error("Daft failed: " + name.text() + ": " + text);
}

}  // namespace

void launch_embedded(const OpenJob& job) {
  const Python& interpreter = python();
  const Locked lock(interpreter);
  const Reference module(interpreter,
                         interpreter.import_module("hypernodes.integrations.daft.query"));
  if (!module) throw_python_error(interpreter);
  const std::string label = job->label();
  const Reference done(interpreter,
                       interpreter.call_method(
                           module.get(), "collect", "LLiis", static_cast<long long>(job.number()),
                           static_cast<long long>(job->rows()), job->foreign() ? 1 : 0,
                           job->looks_up() ? 1 : 0, label.c_str()));
  if (!done) throw_python_error(interpreter);
}

}  // namespace hypernodes::daft
