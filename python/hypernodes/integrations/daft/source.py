# SPDX-License-Identifier: MIT
"""Functions, classes and values as Python source, with all that they read from elsewhere."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import inspect
import math
import pathlib
import sys
import textwrap
import types
import uuid
from typing import Any

from hypernodes._fingerprint.origin import is_user_code, leads_to
from hypernodes.integrations.daft.function_source import (
    Found,
    Unwritable,
    find,
    globals_of,
    names_read,
)
from hypernodes.library import CppNode, load
from hypernodes.node import HyperNode, Node

_PLAIN = (type(None), bool, int, str, bytes, type(...), range)
# Their constructors take what str() gives.
_BY_TEXT = (
    decimal.Decimal,
    fractions.Fraction,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    type(pathlib.Path()),
    uuid.UUID,
)
_TIMES = (datetime.date, datetime.time, datetime.datetime, datetime.timedelta)
_CACHED: type = type(functools.lru_cache(lambda: None))


_MODULE = """\
# Dataclasses look for their module, which is not there if this text is executed.
sys.modules.setdefault(__name__, types.ModuleType(__name__))"""


class Sources:
    """The definitions of a script: each thing once, before what needs it when it is defined.

    Functions keep the names by which they know what they read. Where two things go by one name, or
    a function closes over something, it is defined inside another function that has those names.

    Attributes:
        imports: Lines, in the order in which they were needed.
        definitions: Texts, likewise.
    """

    def __init__(self, reserved: dict[str, object]) -> None:
        """Begins with names that mean what the script itself makes of them."""
        self.imports: dict[str, None] = {}
        self.definitions: list[str] = []
        self._has_classes = False
        self._libraries: dict[str, str] = {}
        self._taken: dict[str, object] = {"sys": sys, "types": types, **reserved}
        self._known: dict[int, tuple[object, str]] = {}

    def is_taken(self, name: str) -> bool:
        """Whether the script's module has a meaning for this name."""
        return name in self._taken

    def free(self, wish: str) -> str:
        """Takes a name of the script's module that nothing else has."""
        name, count = wish, 1
        while name in self._taken or hasattr(builtins, name):
            count += 1
            name = f"{wish}_{count}"
        self._taken[name] = object()
        return name

    def function(self, thing: Any, wish: str) -> str:  # noqa: ANN401 (any callable)
        """An expression for a callable, which is defined under a name like `wish`.

        Raises:
            Unwritable: If that cannot be done.
        """
        thing = _unwrapped(thing)
        if id(thing) in self._known:
            return self._known[id(thing)][1]
        if isinstance(thing, CppNode):
            return self._native(thing)
        if isinstance(thing, types.FunctionType) and is_user_code(thing.__module__):
            return self._function(thing, wish)
        return self.value(thing, wish)

    def value(self, thing: Any, wish: str = "value") -> str:  # noqa: ANN401 (any object)
        """An expression for any value.

        Raises:
            Unwritable: If there is none.
        """
        thing = _unwrapped(thing)
        if id(thing) in self._known:
            return self._known[id(thing)][1]
        kind = type(thing)
        if kind in _PLAIN:
            return repr(thing)
        if kind is float:
            return repr(thing) if math.isfinite(thing) else f"float({str(thing)!r})"
        if kind is complex:
            return f"complex({self.value(thing.real)}, {self.value(thing.imag)})"
        if kind in (list, tuple, set, frozenset, dict):
            return self._container(thing)
        if kind in _BY_TEXT:
            return f"{self._type(kind, kind.__name__)}({str(thing)!r})"
        if kind in _TIMES and getattr(thing, "tzinfo", None) in (None, datetime.UTC):
            return repr(thing).replace("datetime.", f"{self._module(datetime, 'datetime')}.")
        if kind.__module__ == "numpy" and hasattr(thing, "tolist"):
            return self._array(thing)
        if isinstance(thing, enum.Enum):
            return f"{self._type(type(thing), type(thing).__name__)}[{thing.name!r}]"
        if isinstance(thing, types.ModuleType):
            return self._module(thing, wish)
        if isinstance(thing, type):
            return self._type(thing, wish)
        if callable(thing):
            return self._callable(thing, wish)
        return self._record(thing)

    # Values ---------------------------------------------------------------------------------------

    def _container(self, thing: Any) -> str:  # noqa: ANN401
        if isinstance(thing, dict):
            pairs = (f"{self.value(key)}: {self.value(item)}" for key, item in thing.items())
            return "{" + ", ".join(pairs) + "}"
        items = [self.value(item) for item in thing]
        if isinstance(thing, set | frozenset):
            items.sort()
        text = ", ".join(items)
        if isinstance(thing, list):
            return f"[{text}]"
        if isinstance(thing, tuple):
            return f"({text},)" if len(items) == 1 else f"({text})"
        if isinstance(thing, frozenset):
            return f"frozenset([{text}])"
        return f"{{{text}}}" if items else "set()"

    def _array(self, thing: Any) -> str:  # noqa: ANN401
        """A numpy array or scalar of numbers, text or bytes."""
        numpy = sys.modules["numpy"]
        if thing.dtype.kind not in "biufUS" or (thing.ndim > 1 and thing.size == 0):
            raise Unwritable(f"an array of {thing.dtype} has no literal")
        items, name = self.value(thing.tolist()), self._module(numpy, "numpy")
        made = f"{name}.array({items}, dtype={thing.dtype.str!r})"
        return made if isinstance(thing, numpy.ndarray) else f"{made}[()]"

    def _record(self, thing: Any) -> str:  # noqa: ANN401
        """A dataclass or named tuple, field by field."""
        kind = type(thing)
        if isinstance(thing, tuple) and hasattr(kind, "_fields"):
            names = list(kind._fields)
        elif dataclasses.is_dataclass(thing) and not hasattr(kind, "__post_init__"):
            names = [field.name for field in dataclasses.fields(thing) if field.init]
        else:
            raise Unwritable(f"an object of class {kind.__name__} has no literal")
        parts = (f"{name}={self.value(getattr(thing, name))}" for name in names)
        return f"{self._type(kind, kind.__name__)}({', '.join(parts)})"

    def _module(self, module: types.ModuleType, wish: str) -> str:
        if module.__name__ == "__main__":
            raise Unwritable("it reads its own module as an object")
        name = wish if self._taken.get(wish) is module else self.free(wish)
        alias = "" if name == module.__name__ else f" as {name}"
        self.imports[f"import {module.__name__}{alias}"] = None
        return self._know(module, name)

    def _imported(self, thing: Any) -> str | None:  # noqa: ANN401
        """What a library holds, by its name there; None for everything else."""
        home, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
        if getattr(builtins, str(name), None) is thing and self._means(str(name), thing):
            self._taken[str(name)] = thing
            return str(name)
        if not isinstance(home, str) or not isinstance(name, str) or is_user_code(home):
            return None
        if home not in sys.modules or not leads_to(home, name, thing):
            return None
        top, _, rest = name.partition(".")
        found = self.free(top)
        alias = "" if found == top else f" as {found}"
        self.imports[f"from {home} import {top}{alias}"] = None
        return self._know(thing, f"{found}.{rest}" if rest else found)

    def _callable(self, thing: Any, wish: str) -> str:  # noqa: ANN401
        imported = self._imported(thing)
        if imported is not None:
            return imported
        if isinstance(thing, types.FunctionType):
            return self._function(thing, wish)
        if isinstance(thing, functools.partial):
            parts = [self.function(thing.func, wish), *map(self.value, thing.args)]
            parts += [f"{name}={self.value(item)}" for name, item in thing.keywords.items()]
            return f"{self._type(functools.partial, 'partial')}({', '.join(parts)})"
        if isinstance(thing, _CACHED):
            # Daft pickles functions, and a cache of calls cannot be.
            plain: Any = thing
            return self._know(thing, self.function(plain.__wrapped__, wish))
        if isinstance(thing, types.MethodType):
            owner = self.value(thing.__self__, type(thing.__self__).__name__.lower())
            return f"{owner}.{thing.__name__}"
        return self._record(thing)

    def _native(self, node: CppNode) -> str:
        """A C++ node: the library is loaded, which takes hypernodes."""
        called = f"{self._library(str(node._library))}[{node.name!r}]"
        if node._timeout is not None:
            called += f".with_options(timeout={node._timeout!r})"
        name = self.free(node.name)
        self.definitions.append(
            f"def {name}(*values, **named):\n"
            f'    """The C++ node {node._definition().native.signature}."""\n'
            f"    return {called}(*values, **named)"
        )
        return self._know(node, name)

    def _library(self, path: str) -> str:
        if path not in self._libraries:
            self._libraries[path] = self.free("library")
            loader = self.value(load)
            self.definitions.append(
                "# C++ nodes have no Python source: they come from their library, by hypernodes.\n"
                f"{self._libraries[path]} = {loader}({path!r})"
            )
        return self._libraries[path]

    def _type(self, kind: type, wish: str) -> str:
        if id(kind) in self._known:
            return self._known[id(kind)][1]
        imported = self._imported(kind)
        if imported is not None:
            return imported
        try:
            text = textwrap.dedent(inspect.getsource(kind))
            tree = ast.parse(text)
        except (OSError, TypeError, SyntaxError) as error:
            raise Unwritable(f"the source of class {kind.__name__} is not there") from error
        name = kind.__name__
        if not self._means(name, kind):
            raise Unwritable(f"two things are called {name}")
        self._taken[name] = kind
        self._know(kind, name)
        scope = vars(sys.modules[kind.__module__]) if kind.__module__ in sys.modules else {}
        for used in names_read(tree):
            if used in scope and not self._bind(used, scope[used]):
                raise Unwritable(f"class {name} reads {used}, and two things are called that")
        if not self._has_classes:
            self._has_classes = True
            self.imports["import sys"] = self.imports["import types"] = None
            self.definitions.insert(0, _MODULE)
        self.definitions.append(text.rstrip())
        return name

    # Functions ------------------------------------------------------------------------------------

    def _function(self, function: types.FunctionType, wish: str) -> str:
        found = find(function)
        is_lambda = isinstance(found.node, ast.Lambda)
        defined = function.__code__.co_name
        name = self.free(wish if is_lambda or self.is_taken(defined) else defined)
        if is_lambda:
            defined = name
        self._know(function, name)
        try:
            around = self._around(function, found)
        except Unwritable:
            del self._known[id(function)]
            raise
        text = found.text(moved=bool(around) or name != defined)
        if is_lambda:
            text = f"{name} = {text}"
        if around or name != defined:
            lines = [f"{local} = {expression}" for local, expression in around.items()]
            inside = "\n".join([*lines, text, f"return {defined}"])
            maker = self.free(f"make_{name}")
            text = f"def {maker}():\n{textwrap.indent(inside, '    ')}\n\n\n{name} = {maker}()"
        self.definitions.append(text)
        return name

    def _around(self, function: types.FunctionType, found: Found) -> dict[str, str]:
        """What must be defined around a function: its closure, and names with two meanings."""
        around: dict[str, Any] = {}
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            try:
                held = cell.cell_contents
            except ValueError:
                raise Unwritable(f"'{name}', which it closes over, has no value yet") from None
            if name == "__class__":
                raise Unwritable("it is a method that uses super()")
            if held is not function:
                around[name] = held
        scope = function.__globals__
        for name in {**globals_of(function.__code__), **found.defaults(function)}:
            local = found.defaults(function).get(name)
            if name in scope:
                # The script has its own __name__ and the like.
                if name.startswith("__") or not self._bind(name, scope[name]):
                    around[name] = scope[name]
            elif hasattr(builtins, name):
                if not self._bind(name, getattr(builtins, name)):
                    around[name] = getattr(builtins, name)
            elif local is not None and name not in around:
                around[name] = local[0]
        written = {name: self._named(thing, name) for name, thing in around.items()}
        return {name: text for name, text in written.items() if text != name}

    def _bind(self, name: str, thing: Any) -> bool:  # noqa: ANN401
        """Makes a name of the script's module mean `thing`; False if it means something else."""
        thing = _unwrapped(thing)
        if name in self._taken:
            return self._means(name, thing)
        if getattr(builtins, name, None) is thing:
            self._taken[name] = thing
            return True
        text = self._named(thing, name)
        if text != name:
            self._taken[name] = thing
            self.definitions.append(f"{name} = {text}")
            if type(thing) in (list, set, dict):
                self._know(thing, name)
        return True

    def _named(self, thing: Any, name: str) -> str:  # noqa: ANN401
        """An expression for what a function knows as `name`."""
        try:
            return self.function(thing, name)
        except Unwritable as error:
            raise Unwritable(f"it reads '{name}', and {error}") from None

    def _means(self, name: str, thing: Any) -> bool:  # noqa: ANN401
        if name not in self._taken:
            return True
        held = self._taken[name]
        if id(thing) in self._known and self._known[id(thing)][1] == name:
            return True
        return held is thing or (
            type(held) is type(thing) and type(held) in _PLAIN and held == thing
        )

    def _know(self, thing: Any, name: str) -> str:  # noqa: ANN401
        self._known[id(thing)] = (thing, name)  # kept, so that no other gets its id
        return name


def _unwrapped(thing: Any) -> Any:  # noqa: ANN401
    """The function of a Python node; others as they are."""
    if type(thing) is Node:
        return thing.func
    if isinstance(thing, HyperNode) and not isinstance(thing, CppNode):
        raise Unwritable(f"a {type(thing).__name__} is no plain function")
    return thing
