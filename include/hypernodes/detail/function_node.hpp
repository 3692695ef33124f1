// SPDX-License-Identifier: MIT
#pragma once

// Included by node.hpp: how a C++ function becomes a node.

#include <array>
#include <cstddef>
#include <functional>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "hypernodes/error.hpp"
#include "hypernodes/node.hpp"
#include "hypernodes/traits.hpp"

namespace hypernodes {
namespace detail {

template <typename F>
struct Signature : Signature<decltype(&F::operator())> {};
template <typename R, typename... A>
struct Signature<R(A...)> {
  using Result = std::remove_cvref_t<R>;
  using Arguments = std::tuple<std::remove_cvref_t<A>...>;
  static constexpr bool kWritesArguments =
      ((std::is_lvalue_reference_v<A> && !std::is_const_v<std::remove_reference_t<A>>) || ...);
};
template <typename R, typename... A>
struct Signature<R (*)(A...)> : Signature<R(A...)> {};
template <typename R, typename... A>
struct Signature<R (*)(A...) noexcept> : Signature<R(A...)> {};
template <typename C, typename R, typename... A>
struct Signature<R (C::*)(A...)> : Signature<R(A...)> {};
template <typename C, typename R, typename... A>
struct Signature<R (C::*)(A...) noexcept> : Signature<R(A...)> {};
template <typename C, typename R, typename... A>
struct Signature<R (C::*)(A...) const> : Signature<R(A...)> {};
template <typename C, typename R, typename... A>
struct Signature<R (C::*)(A...) const noexcept> : Signature<R(A...)> {};

template <typename T>
concept Mapped = requires { Traits<T>::type(); };

template <typename T>
struct Results {  // one output
  using Types = std::tuple<T>;
};
template <typename... T>
struct Results<std::tuple<T...>> {
  using Types = std::tuple<T...>;
};

/// Writes rows of a column; integers and floats straight into its memory.
template <typename T>
class Writer {
 public:
  explicit Writer(std::int64_t rows) : builder_(type_of<T>()) { builder_.reserve(rows); }
  void push(T&& item) { Traits<T>::append(builder_, std::move(item)); }
  Column finish(std::int64_t /*rows*/) { return builder_.finish(); }

 private:
  ColumnBuilder builder_;
};

template <typename T>
  requires(std::same_as<T, std::int64_t> || std::same_as<T, double>)
class Writer<T> {
 public:
  explicit Writer(std::int64_t rows)
      : buffer_(Buffer::allocate(static_cast<std::size_t>(rows) * sizeof(T))),
        next_(buffer_.template mutable_as<T>()) {}
  void push(T item) { *next_++ = item; }
  Column finish(std::int64_t rows) {
    return Column::assemble(type_of<T>(), rows, {}, {}, std::move(buffer_));
  }

 private:
  Buffer buffer_;
  T* next_;
};

/// An argument as the function's type; `held` keeps what a conversion made alive.
template <typename T>
T read_argument(const Value& value, Value& held) {
  static const Type& type = type_of<T>();
  if (value.kind() == type.kind() || (value.is_null() && type.nullable())) [[likely]]
    return Traits<T>::from_value(value);
  held = value.cast(type);
  return Traits<T>::from_value(held);
}

/// Throws unless every row of `column` can be read as `type`; returns it widened if need be.
Column prepare_argument(const Column& column, const Type& type);

template <typename F>
class FunctionBody final : public NodeBody {
  using Arguments = typename Signature<F>::Arguments;
  using Result = typename Signature<F>::Result;
  using ResultTypes = typename Results<Result>::Types;
  static constexpr std::size_t kInputs = std::tuple_size_v<Arguments>;
  static constexpr std::size_t kOutputs = std::tuple_size_v<ResultTypes>;
  static constexpr auto kInputIndex = std::make_index_sequence<kInputs>();
  static constexpr auto kOutputIndex = std::make_index_sequence<kOutputs>();

 public:
  explicit FunctionBody(F function) : function_(std::move(function)) {}

  void run_row(const Value* const* arguments, Value* outputs) const override {
    std::array<Value, kInputs> held;
    call_row(arguments, held, outputs, kInputIndex);
  }

  BatchResult run_batch(std::span<const Column> arguments, std::int64_t rows,
                        std::span<const NodeOutput>) const override {
    return call_batch(arguments, rows, kInputIndex, kOutputIndex);
  }

  static std::vector<NodeInput> inputs(InputNames names) {
    std::vector<NodeInput> inputs;
    inputs.reserve(kInputs);
    auto name = names.begin();
    std::apply(
        [&](auto... type) { (inputs.push_back({std::string(*name++), *type, std::nullopt}), ...); },
        input_types(kInputIndex));
    return inputs;
  }

  static std::vector<NodeOutput> outputs(const std::vector<std::string>& names) {
    std::vector<NodeOutput> outputs;
    auto name = names.begin();
    std::apply([&](auto... type) { (outputs.push_back({*name++, *type}), ...); },
               output_types(kOutputIndex));
    return outputs;
  }

  static constexpr std::size_t input_count() { return kInputs; }
  static constexpr std::size_t output_count() { return kOutputs; }

 private:
  template <std::size_t... I>
  static auto input_types(std::index_sequence<I...>) {
    return std::tuple{&type_of<std::tuple_element_t<I, Arguments>>()...};
  }
  template <std::size_t... I>
  static auto output_types(std::index_sequence<I...>) {
    return std::tuple{&type_of<std::tuple_element_t<I, ResultTypes>>()...};
  }

  template <std::size_t... I>
  void call_row(const Value* const* arguments, [[maybe_unused]] std::array<Value, kInputs>& held,
                Value* outputs, std::index_sequence<I...>) const {
    Result result = std::invoke(
        function_, read_argument<std::tuple_element_t<I, Arguments>>(*arguments[I], held[I])...);
    if constexpr (std::same_as<ResultTypes, Result>) {
      std::apply(
          [&](auto&... item) {
            ((*outputs++ = Traits<std::remove_cvref_t<decltype(item)>>::to_value(item)), ...);
          },
          result);
    } else {
      *outputs = Traits<Result>::to_value(result);
    }
  }

  template <std::size_t... I, std::size_t... O>
  BatchResult call_batch(std::span<const Column> arguments, std::int64_t rows,
                         std::index_sequence<I...>, std::index_sequence<O...>) const {
    BatchResult result;
    const std::array<Column, kInputs> columns{
        prepare_argument(arguments[I], type_of<std::tuple_element_t<I, Arguments>>())...};
    const std::tuple<typename Traits<std::tuple_element_t<I, Arguments>>::Reader...> readers{
        typename Traits<std::tuple_element_t<I, Arguments>>::Reader(columns[I])...};
    std::tuple<Writer<std::tuple_element_t<O, ResultTypes>>...> writers{
        Writer<std::tuple_element_t<O, ResultTypes>>(rows)...};
    std::int64_t row = 0;
    try {
      for (; row < rows; ++row) {
        if constexpr (std::same_as<ResultTypes, Result>) {
          Result items = std::invoke(function_, std::get<I>(readers)[row]...);
          (std::get<O>(writers).push(std::move(std::get<O>(items))), ...);
        } else {
          std::get<0>(writers).push(std::invoke(function_, std::get<I>(readers)[row]...));
        }
      }
    } catch (...) {
      result.error = std::current_exception();
    }
    result.done = row;
    (result.outputs.push_back(std::get<O>(writers).finish(row)), ...);
    return result;
  }

  F function_;
};

/// A function known at compile time: the batch loop inlines it.
template <auto F>
struct Constant {
  template <typename... A>
  decltype(auto) operator()(A&&... arguments) const {
    return F(std::forward<A>(arguments)...);
  }
};
template <auto F>
struct Signature<Constant<F>> : Signature<decltype(F)> {};

/// The function's name as written, from the compiler's own text of a template argument.
template <auto F>
std::string function_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("F = ") + 4);
  text = text.substr(0, text.find_first_of(";]"));
  if (const auto colons = text.rfind("::"); colons != text.npos) text.remove_prefix(colons + 2);
  if (const auto bracket = text.find_first_of("(<{"); bracket != text.npos) {
    text = text.substr(0, bracket);
  }
  if (!text.empty() && text.front() == '&') text.remove_prefix(1);
  return std::string(text);
}

/// Identity of the code at `address`, of this C++ type: the content identity of the library that
/// holds it (the linker's build id) and the place within.
Digest code_identity(const void* address, const char* type);
/// What to call that code in Pipeline::explain.
std::function<CodeParts()> library_parts(const void* address);

Node with_batch(const Node& node, BatchFunction batch, const Digest& code, bool has_identity);

void check_names(std::string_view node, std::size_t outputs, std::size_t expected_outputs,
                 std::size_t inputs, std::size_t expected_inputs);

template <typename F>
Node make_node(std::string name, const OutputNames& outputs, InputNames inputs, F function,
               const void* address, bool has_identity) {
  static_assert(!Signature<F>::kWritesArguments,
                "a node must not change its arguments: take them by value or const reference");
  using Body = FunctionBody<F>;
  check_names(name, outputs.size(), Body::output_count(), inputs.size(), Body::input_count());
  Node::Definition definition;
  definition.name = std::move(name);
  definition.inputs = Body::inputs(inputs);
  definition.outputs = Body::outputs(outputs);
  definition.body = std::make_shared<Body>(std::move(function));
  definition.code = code_identity(address, typeid(F).name());
  definition.has_identity = has_identity;
  definition.code_parts = library_parts(address);
  return Node(std::move(definition));
}

}  // namespace detail

template <typename F>
Node Node::with_batch(F batch) const {
  void (*const address)(F*) = [](F*) {};
  const Digest code =
      detail::code_identity(reinterpret_cast<const void*>(address), typeid(F).name());
  return detail::with_batch(*this, std::move(batch), code, std::is_empty_v<F>);
}

/// A node that calls the function `F`: `node<twice>("doubled", {"x"})`. Its name is the function's.
/// Several outputs: `node<split>({"head", "tail"}, {"text"})` for a function returning a
/// std::tuple.
/// Throws: DependencyError if the numbers of names and of parameters or results differ.
template <auto F>
Node node(const OutputNames& outputs, InputNames inputs) {
  return detail::make_node(detail::function_name<F>(), outputs, inputs, detail::Constant<F>{},
                           reinterpret_cast<const void*>(F), true);
}

/// A node that calls `function`, a lambda or function object; its name is its first output's. One
/// that captures anything has no identity that a cache could rely on: it runs uncached until
/// `.version("...")` gives it one.
template <typename F>
Node node(const OutputNames& outputs, InputNames inputs, F function) {
  // The address of this instantiation stands for the code of the lambda's type.
  void (*const address)(detail::FunctionBody<F>*) = [](detail::FunctionBody<F>*) {};
  return detail::make_node(outputs.empty() ? std::string("lambda") : outputs.front(), outputs,
                           inputs, std::move(function), reinterpret_cast<const void*>(address),
                           std::is_empty_v<F>);
}

}  // namespace hypernodes
