// SPDX-License-Identifier: MIT
#pragma once

// Included by node.hpp: nodes whose function object a factory makes when it is needed.

#include <atomic>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>
#include <vector>

#include "hypernodes/detail/function_node.hpp"

namespace hypernodes {
namespace detail {

template <typename Call>
inline constexpr bool kIsConstCall = false;
template <typename R, typename C, typename... A>
inline constexpr bool kIsConstCall<R (C::*)(A...) const> = true;
template <typename R, typename C, typename... A>
inline constexpr bool kIsConstCall<R (C::*)(A...) const noexcept> = true;

/// An object that somebody else keeps, as a function.
template <typename Object>
struct Borrowed {
  Object* object;
  template <typename... A>
  decltype(auto) operator()(A&&... arguments) const {
    return (*object)(std::forward<A>(arguments)...);
  }
};
template <typename Object>
struct Signature<Borrowed<Object>> : Signature<Object> {};

/// Lends one object to all, made by the first. Threads: safe.
template <typename Factory, typename Object>
class SharedObject {
 public:
  explicit SharedObject(Factory factory) : factory_(std::move(factory)) {}

  template <typename Use>
  auto lend(Use use) {
    Object* object = made_.load(std::memory_order_acquire);
    if (object == nullptr) {
      const std::lock_guard lock(mutex_);
      if (!object_) object_.reset(new Object(factory_()));
      object = object_.get();
      made_.store(object, std::memory_order_release);
    }
    return use(*object);
  }

 private:
  std::mutex mutex_;
  Factory factory_;
  std::unique_ptr<Object> object_;
  std::atomic<Object*> made_ = nullptr;
};

/// Lends each object to one caller at a time; makes another when all are lent. Threads: safe.
template <typename Factory, typename Object>
class PooledObjects {
 public:
  explicit PooledObjects(Factory factory) : factory_(std::move(factory)) {}

  template <typename Use>
  auto lend(Use use) {
    const Loan loan{this, take()};
    return use(*loan.object);
  }

 private:
  struct Loan {
    PooledObjects* pool;
    Object* object;
    ~Loan() {
      const std::lock_guard lock(pool->mutex_);
      pool->idle_.push_back(object);
    }
  };

  Object* take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        Object* const object = idle_.back();
        idle_.pop_back();
        return object;
      }
    }
    const std::lock_guard making(making_);
    std::unique_ptr<Object> made(new Object(factory_()));
    const std::lock_guard lock(mutex_);
    idle_.reserve(objects_.size() + 1);  // so that giving one back cannot fail
    objects_.push_back(std::move(made));
    return objects_.back().get();
  }

  std::mutex making_;
  Factory factory_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Object>> objects_;
  std::vector<Object*> idle_;
};

template <typename Factory>
class StatefulBody final : public NodeBody {
 public:
  using Object = std::remove_cvref_t<std::invoke_result_t<Factory&>>;
  using Function = FunctionBody<Borrowed<Object>>;

  explicit StatefulBody(Factory factory) : objects_(std::move(factory)) {}

  void run_row(const Value* const* arguments, Value* outputs) const override {
    objects_.lend([&](Object& object) { Function({&object}).run_row(arguments, outputs); });
  }

  BatchResult run_batch(std::span<const Column> arguments, std::int64_t rows,
                        std::span<const NodeOutput> outputs) const override {
    try {
      return objects_.lend(
          [&](Object& object) { return Function({&object}).run_batch(arguments, rows, outputs); });
    } catch (...) {  // the factory's: no row is done
      BatchResult result;
      for (const NodeOutput& output : outputs) {
        result.outputs.push_back(ColumnBuilder(output.type).finish());
      }
      result.error = std::current_exception();
      return result;
    }
  }

 private:
  static constexpr bool kShared = kIsConstCall<decltype(&Object::operator())>;
  mutable std::conditional_t<kShared, SharedObject<Factory, Object>, PooledObjects<Factory, Object>>
      objects_;
};

}  // namespace detail

/// A node that calls what `factory` returns: a model, an index, a connection, anything with an
/// `operator()`. It is made when the first row needs it, not for rows that a cache has, and lives
/// as long as the node. If its `operator()` is const, one object serves all threads, and must be
/// safe to; else there are as many as calls overlap, one for each thread that runs rows, and none
/// is used by two at once. Copies of the node share them. Calls of the factory do not overlap; if
/// it throws, its row fails and the next one tries again.
///
/// In cache keys it is the factory's code: one that captures anything, such as a path, runs
/// uncached until `.version("...")` says what stands for it. Its name is its first output's.
/// Throws: DependencyError if the numbers of names and of parameters or results differ.
template <typename Factory>
Node stateful_node(const OutputNames& outputs, InputNames inputs, Factory factory) {
  using Body = detail::StatefulBody<Factory>;
  using Function = typename Body::Function;
  static_assert(!detail::Signature<typename Body::Object>::kWritesArguments,
                "a node must not change its arguments: take them by value or const reference");
  // The address of this instantiation stands for the code of the factory's type.
  void (*const address)(Body*) = [](Body*) {};
  const auto* const code = reinterpret_cast<const void*>(address);
  Node::Definition definition;
  definition.name = outputs.empty() ? std::string("stateful") : outputs.front();
  detail::check_names(definition.name, outputs.size(), Function::output_count(), inputs.size(),
                      Function::input_count());
  definition.inputs = Function::inputs(inputs);
  definition.outputs = Function::outputs(outputs);
  definition.body = std::make_shared<Body>(std::move(factory));
  definition.code = detail::code_identity(code, typeid(Factory).name());
  definition.has_identity = std::is_empty_v<Factory>;
  definition.code_parts = detail::library_parts(code);
  return Node(std::move(definition));
}

}  // namespace hypernodes
