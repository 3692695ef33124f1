// SPDX-License-Identifier: MIT
#include "bindings/retry.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>

#include "bindings/errors.hpp"
#include "bindings/to_python.hpp"
#include "cache/in_flight.hpp"
#include "daft/query.hpp"
#include "hypernodes/error.hpp"
#include "kernel/retry.hpp"

namespace hypernodes::python {
namespace {

/// Whether `error`, as its Python class, is one of `classes`. Exceptions that are no `Exception`
/// never are.
bool covers(const Value& classes, const std::exception_ptr& error) {
  const Locked lock;
  const nb::object known = to_python(classes);
  try {
    std::rethrow_exception(error);
  } catch (const nb::python_error& raised) {
    return raised.matches(PyExc_Exception) && raised.matches(known);
  } catch (const NodeTimeoutError&) {
    const nb::object kind = package_attribute("exceptions", "NodeTimeoutError");
    return PyErr_GivenExceptionMatches(kind.ptr(), known.ptr()) != 0;
  } catch (...) {
    const nb::object kind = package_attribute("exceptions", "ExecutionError");
    return PyErr_GivenExceptionMatches(kind.ptr(), known.ptr()) != 0;
  }
}

std::shared_ptr<Retry> make_retry(int attempts, double delay, double backoff, double max_delay,
                                  double jitter, const nb::tuple& on) {
  auto retry = std::make_shared<Retry>();
  retry->attempts = attempts;
  retry->delay = Retry::Seconds(delay);
  retry->backoff = backoff;
  retry->max_delay = Retry::Seconds(max_delay);
  retry->jitter = jitter;
  retry->on = [classes = object_value(on.ptr())](const std::exception_ptr& error) {
    return covers(classes, error);
  };
  check(*retry);
  return retry;
}

/// What a thread that helps another one to wait takes over from it.
class HelperThread {
 public:
  explicit HelperThread(bool inside_query) : inside_query_(inside_query) {}
  void enter() {
    engaged_.emplace();
    // A call that was given up must not keep the program from ending.
    if (inside_query_) query_.emplace(/*awaited=*/false);
  }
  void exit() {
    query_.reset();
    engaged_.reset();
  }

 private:
  const bool inside_query_;
  std::optional<detail::Engaged> engaged_;
  std::optional<daft::InsideQuery> query_;
};

}  // namespace

void bind_retry(nb::module_& module) {
  nb::class_<Retry>(module, "Retry")
      .def(nb::new_(&make_retry), nb::arg("attempts"), nb::arg("delay"), nb::arg("backoff"),
           nb::arg("max_delay"), nb::arg("jitter"), nb::arg("on"))
      .def(
          "next_attempt",
          [](const Retry& self, const nb::object& error, std::int64_t made) {
            return next_attempt(&self, exception_pointer(error), made);
          },
          nb::arg("error"), nb::arg("made"),
          "Seconds until the next call after `made` of them, the last of which raised `error`; "
          "None "
          "if that is final.");
  nb::class_<HelperThread>(module, "HelperThread")
      .def(nb::init<bool>(), nb::arg("inside_query"))
      .def("__enter__", &HelperThread::enter)
      .def("__exit__", [](HelperThread& self, const nb::args&) { self.exit(); });
}

}  // namespace hypernodes::python
