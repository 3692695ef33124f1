"""Contenders of `keys`: a function of one input, or of a project, behind each cache.

Every lookup runs in a process that is forked for it, so that nothing is kept but what is on disk.
"""

import importlib
import inspect
import json
import os
import sys
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workers import keys_cases

Function = Callable[..., Any]
Cached = Callable[[str, Function], Function]
"""Puts a cache in a folder around a function: takes its inputs by name."""

CALLS: list[int] = []


def probe(x: Any) -> int:
    CALLS.append(1)
    return 1


def cases(cached: Cached) -> dict[str, Callable[..., Any]]:
    list(keys_cases.pairs())  # imports what they need, before any fork

    def pair(path: str, name: str, second: bool) -> bool:
        """Whether the input of a pair is answered without a call."""

        def look() -> bool:
            _, _, *inputs = next(each for each in keys_cases.pairs() if each[0] == name)
            CALLS.clear()
            cached(path, probe)(x=inputs[second])
            return not CALLS

        return forked(look)

    def project(path: str, folder: str, name: str) -> str:
        """What becomes of a function of the project: recompute, hit, or STALE."""

        def look() -> str:
            sys.path.insert(0, folder)
            work, tally, shapes = map(importlib.import_module, ("work", "tally", "shapes"))
            function = getattr(work, name)
            expected = function(shapes.Shape(3), 2)
            tally.CALLS.clear()
            found = cached(path, function)(shape=shapes.Shape(3), x=2)
            if tally.CALLS:
                return "recompute"
            return "hit" if found == expected else "STALE"

        return forked(look)

    return {"pair": pair, "project": project}


def forked(look: Callable[[], Any]) -> Any:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(writing, "w") as answer:
            try:
                json.dump(look(), answer)
            except BaseException:
                answer.write(json.dumps({"error": traceback.format_exc()}))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        found = json.load(answer)
    os.waitpid(child, 0)
    return found


def ours() -> dict[str, Callable[..., Any]]:
    from hypernodes import DiskCache, Node, Pipeline

    def cached(path: str, function: Function) -> Function:
        pipeline = Pipeline([Node(function, "y")], cache=DiskCache(path))
        return lambda **inputs: pipeline.run(inputs)["y"]

    return cases(cached)


def joblib() -> dict[str, Callable[..., Any]]:
    from joblib import Memory

    return cases(lambda path, function: Memory(path, verbose=0).cache(function))


def diskcache() -> dict[str, Callable[..., Any]]:
    from diskcache import Cache

    return cases(lambda path, function: Cache(path).memoize()(function))


def hypernodes() -> dict[str, Callable[..., Any]]:
    from hypernodes import DiskCache, Pipeline, SeqEngine, node

    def cached(path: str, function: Function) -> Function:
        pipeline = Pipeline([node(output_name="y")(function)], SeqEngine(cache=DiskCache(path)))
        parameters = inspect.signature(function).parameters.values()
        # It wants all of them.
        defaults = {each.name: each.default for each in parameters if each.default != each.empty}
        return lambda **inputs: pipeline.run({**defaults, **inputs})["y"]

    return cases(cached)


def hamilton() -> dict[str, Callable[..., Any]]:
    from hamilton import base, driver

    def cached(path: str, function: Function) -> Function:
        # A copy of the function under the node's name, with the hints that Hamilton wants.
        parts = function.__globals__, "y", function.__defaults__, function.__closure__
        y = types.FunctionType(function.__code__, *parts)
        y.__kwdefaults__ = function.__kwdefaults__
        parameters = inspect.signature(function).parameters.values()
        names = [each.name for each in parameters if each.default is each.empty]
        y.__annotations__ = {**dict.fromkeys(names, Any), "return": Any}
        y.__signature__ = inspect.Signature(
            [
                inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Any)
                for name in names
            ],
            return_annotation=Any,
        )
        y.__module__ = function.__module__
        module = types.ModuleType(function.__module__)
        module.y = y
        built = (
            driver.Builder()
            .with_modules(module)
            .with_adapters(base.DictResult())
            .with_cache(path=path)
            .build()
        )
        return lambda **inputs: built.execute(["y"], inputs=inputs)["y"]

    return cases(cached)


def pipefunc() -> dict[str, Callable[..., Any]]:
    from pipefunc import PipeFunc, Pipeline

    def cached(path: str, function: Function) -> Function:
        pipeline = Pipeline(
            [PipeFunc(function, "y", cache=True)],
            cache_type="disk",
            cache_kwargs={"cache_dir": str(Path(path) / "cache"), "lru_shared": False},
        )
        return lambda **inputs: pipeline.run("y", kwargs=inputs)

    return cases(cached)


CONTENDERS = {
    "ours": ours,
    "joblib": joblib,
    "diskcache": diskcache,
    "hypernodes": hypernodes,
    "hamilton": hamilton,
    "pipefunc": pipefunc,
}
