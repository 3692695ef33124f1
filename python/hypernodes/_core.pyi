# SPDX-License-Identifier: MIT
"""The native module: types of what the Python layer uses of it. Nothing here is public."""

# ruff: noqa: ANN401 (Python objects of any type go through)

import collections.abc
from collections.abc import Callable, Sequence
from typing import Any

from .outcomes import Failures

class NodeStatistics:
    """What one node did in a run or map."""

    @property
    def rows_run(self) -> int: ...
    @property
    def rows_cached(self) -> int: ...
    @property
    def seconds(self) -> float: ...

class Statistics:
    """What a run or map did."""

    failures: Failures
    """Of a map that did not stop at them."""

    @property
    def nodes(self) -> dict[str, NodeStatistics]: ...
    @property
    def damaged_records(self) -> int: ...
    @property
    def warnings(self) -> list[str]: ...
    @property
    def degraded(self) -> bool:
        """Whether a cache could not do its work, so that not all was found or stored."""
    def __getstate__(self) -> tuple[dict[str, tuple[int, int, float]], int, list[str], bool]: ...
    def __setstate__(
        self,
        arg: tuple[
            collections.abc.Mapping[str, tuple[int, int, float]],
            int,
            collections.abc.Sequence[str],
            bool,
        ],
        /,
    ) -> None: ...

class LastRuns:
    """What the last run or map of a pipeline did, in each thread."""

    def __init__(self) -> None: ...
    def get(self) -> Statistics | None: ...
    def set_failures(self, failures: Failures) -> None: ...

class Type:
    """The type of an input or output of a C++ node; `str` gives its name, as `list<int64>`."""

    @property
    def kind(self) -> str: ...
    @property
    def nullable(self) -> bool: ...
    @property
    def fields(self) -> list[tuple[str, Type]]: ...

class Retry:
    """Which failed calls are made again, and when."""

    def __init__(
        self,
        attempts: int,
        delay: float,
        backoff: float,
        max_delay: float,
        jitter: float,
        on: tuple[type[Exception], ...],
    ) -> None: ...
    def next_attempt(self, error: BaseException, made: int) -> float | None:
        """Seconds until the next call after `made` of them, the last of which raised `error`."""

class HelperThread:
    """Entered by a thread that another one waits for: it waits for nobody's results."""

    def __init__(self, inside_query: bool) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *args: object) -> None: ...

class Node:
    """A node of any kind, immutable."""

    @property
    def name(self) -> str: ...
    @property
    def input_names(self) -> list[str]: ...
    @property
    def optional_inputs(self) -> list[str]: ...
    @property
    def output_names(self) -> list[str]: ...
    @property
    def input_types(self) -> list[Type]: ...
    @property
    def output_types(self) -> list[Type]: ...
    @property
    def code(self) -> str: ...
    @property
    def has_identity(self) -> bool: ...
    @property
    def no_identity(self) -> str: ...
    @property
    def cached(self) -> bool: ...
    @property
    def retried(self) -> bool: ...
    @property
    def signature(self) -> str: ...
    def with_cached(self, cached: bool) -> Node: ...
    def with_retry(self, retry: Retry) -> Node: ...
    def with_timeout(self, seconds: float) -> Node: ...
    def call(self, arguments: list[Any], given: Sequence[bool]) -> Any: ...

def python_node(
    function: Callable[..., Any],
    name: str,
    parameters: list[tuple[Any, ...]],
    keywords: tuple[str, ...] | None,
    outputs: Sequence[str],
    unpack: bool,
    code: str | None,
    cached: bool,
    asynchronous: bool,
    batch: Callable[..., list[list[Any]]] | None,
    no_identity: str = "",
    code_parts: Callable[[], list[tuple[str, str, str]]] | None = None,
    retry: Retry | None = None,
) -> Node: ...
def nested_node(
    graph: Graph,
    name: str,
    inputs: Sequence[tuple[str, str]],
    outputs: Sequence[tuple[str, str]],
    map_over: Sequence[str],
    map_mode: str,
    bound: dict[str, Any],
    cached: bool,
    cache: Any,
    callbacks: Any,
    executor: BatchExecutor | None,
) -> Node: ...
def load_library(path: str) -> tuple[str, list[Node]]: ...

class BatchExecutor:
    """How an engine runs the rows of a pipeline inside another."""

def engine_executor(engine: Any, pipeline: Any) -> BatchExecutor: ...

class NodeObjects:
    """What a native node calls, as the garbage collector sees it."""

class Graph:
    """The nodes of a pipeline, wired up."""

    def __init__(self, nodes: list[Node], name: str, id: str, last_runs: LastRuns) -> None: ...
    def covering(self, output_name: str | Sequence[str] | None) -> Graph: ...
    def overridden(self, names: Sequence[str]) -> Graph: ...
    @property
    def root_args(self) -> list[str]: ...
    @property
    def unfulfilled_args(self) -> list[str]: ...
    @property
    def output_names(self) -> list[str]: ...
    @property
    def node_names(self) -> list[str]: ...
    @property
    def first_outputs(self) -> list[str]: ...
    def required_steps(self, output_name: str | Sequence[str] | None) -> list[int]: ...
    def check(self, inputs: dict[str, Any], output_name: str | Sequence[str] | None) -> None: ...
    def run(
        self,
        inputs: dict[str, Any],
        output_name: str | Sequence[str] | None,
        cache: Any,
        callbacks: Any,
    ) -> dict[str, Any]: ...
    def map(
        self,
        inputs: dict[str, Any],
        map_over: str | Sequence[str],
        map_mode: str,
        output_name: str | Sequence[str] | None,
        cache: Any,
        callbacks: Any,
        outputs: str,
        on_error: str = "raise",
    ) -> Any: ...
    def explain(
        self,
        inputs: dict[str, Any],
        map_over: str | Sequence[str] | None,
        map_mode: str,
        output_name: str | Sequence[str] | None,
        cache: Any,
    ) -> Explanation: ...

class RowExplanation:
    """What a run would do with rows of a node, and why."""

    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def changed(self) -> list[str]: ...
    @property
    def detail(self) -> str: ...

class NodeExplanation:
    """The answers for the rows of one node."""

    @property
    def node(self) -> str: ...
    @property
    def answers(self) -> list[RowExplanation]: ...
    @property
    def counts(self) -> list[int]: ...
    def answer_of(self, row: int) -> int | None: ...
    def answer_at(self, place: int) -> int: ...
    def __len__(self) -> int: ...

class Explanation:
    """What a run or map would do; `str` gives a line for each node and answer."""

    @property
    def nodes(self) -> list[NodeExplanation]: ...
    @property
    def rows(self) -> int: ...

def forget_node(cache: Any, node: str) -> None: ...

class Store:
    """Records that the core keeps."""

    def has(self, key: str) -> bool: ...
    def get(self, key: str) -> Any: ...
    def get_many(self, keys: list[str]) -> dict[str, Any]: ...
    def put_many(self, values: dict[str, Any]) -> None: ...
    def clear(self) -> None: ...
    def flush(self) -> None: ...
    def gc(self) -> None: ...
    def verify(self) -> dict[str, int]: ...
    def statistics(self) -> dict[str, int | None]: ...
    @property
    def warning(self) -> str: ...

class DiskStore(Store):
    """A DiskCache's open directory."""

    def __init__(
        self,
        path: str,
        max_bytes: int,
        max_age: int,
        allow_pickle: bool,
        pickle_key: bytes | None,
        sync_commits: bool,
    ) -> None: ...
    def __len__(self) -> int: ...

class MemoryStore(Store):
    """A MemoryCache's records."""

    def __init__(self, max_bytes: int, max_age: int, allow_pickle: bool) -> None: ...
    def __len__(self) -> int: ...

def encode(object: Any, canonical: bool = False) -> bytes | None: ...
def decode(encoded: bytes) -> Any: ...
def plain_digest(object: Any) -> bytes | None: ...
def map_items(name: str, value: Any) -> tuple[Any, ...]: ...
def plan_rows(names: Sequence[str], lengths: Sequence[int], map_mode: str) -> list[list[int]]: ...

class ArrowColumn:
    """A column as an Arrow array."""

    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[Any, Any]: ...
    def to_list(self) -> list[Any]: ...

def hinted_column(items: list[Any], hint: Any) -> ArrowColumn: ...

class ArrowType:
    """A column's type as an Arrow schema."""

    def __arrow_c_schema__(self) -> Any: ...

# Drawing ---------------------------------------------------------------------------------------

def draw_themes() -> dict[str, dict[str, Any]]: ...
def draw(
    graph: Graph,
    format: str,
    depth: int | None,
    flatten: bool,
    separate_outputs: bool,
    show_types: bool,
    show_legend: bool,
    orient: str,
    theme: dict[str, Any],
    bound: dict[str, Any],
    has_cache: bool,
    types: Sequence[tuple[Node, dict[str, str]]],
    badges: Sequence[tuple[Node, Sequence[str]]],
    value_text: Callable[[Any], str],
) -> str: ...

# Engines that spread rows ----------------------------------------------------------------------

class RowJob:
    """The rows of a run or map, to be run in any ranges and threads."""

    @property
    def rows(self) -> int: ...
    @property
    def whole_batch(self) -> bool: ...
    def run_rows(self, first: int, count: int) -> None: ...

def spread_run(
    graph: Graph,
    inputs: dict[str, Any],
    output_name: str | Sequence[str] | None,
    cache: Any,
    callbacks: Any,
    spread: Callable[[RowJob], None],
) -> dict[str, Any]: ...
def spread_map(
    graph: Graph,
    inputs: dict[str, Any],
    map_over: str | Sequence[str],
    map_mode: str,
    output_name: str | Sequence[str] | None,
    cache: Any,
    callbacks: Any,
    outputs: str,
    spread: Callable[[RowJob], None],
    on_error: str = "raise",
) -> Any: ...
def spread_executor(spread: Callable[[RowJob], None]) -> BatchExecutor: ...

class EventRecorder:
    """Keeps the events of a part."""

    def __init__(self) -> None: ...
    def take(self) -> list[tuple[Any, ...]]: ...

def event_outcome(kind: int) -> int: ...

class RemoteRows:
    """A job whose rows other processes run."""

    def __init__(self, job: RowJob) -> None: ...
    @property
    def is_map(self) -> bool: ...
    @property
    def listened(self) -> bool: ...
    @property
    def collects(self) -> bool: ...
    @property
    def cache(self) -> Any: ...
    @property
    def output_names(self) -> list[str]: ...
    @property
    def overridden(self) -> list[str]: ...
    @property
    def constants(self) -> dict[str, Any]: ...
    def items(self, first: int, count: int) -> dict[str, list[Any]]: ...
    def add(
        self,
        first: int,
        count: int,
        outputs: list[list[Any]] | None,
        statistics: Statistics,
        failure: tuple[Any, ...] | None,
        collected: list[tuple[Any, ...]],
    ) -> None: ...
    def tell(self, event: tuple[Any, ...]) -> None: ...

def run_part(
    graph: Graph,
    constants: dict[str, Any],
    items: dict[str, list[Any]] | None,
    first: int,
    count: int,
    output_name: Sequence[str],
    cache: Any,
    recorder: EventRecorder | None,
    collects: bool,
) -> tuple[
    list[list[Any]] | None,
    Statistics,
    tuple[Any, ...] | None,
    list[tuple[Any, ...]],
]: ...

# Daft ------------------------------------------------------------------------------------------

class ArrowTable:
    """Columns of one length as an Arrow stream."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any: ...

class DaftNode:
    """A node of a step in a Daft plan."""

    @property
    def name(self) -> str: ...
    @property
    def inputs(self) -> list[tuple[str, str]]: ...
    @property
    def outputs(self) -> list[tuple[str, str]]: ...
    @property
    def mapped(self) -> bool: ...
    @property
    def foreign(self) -> bool: ...

class DaftStep:
    """A function of columns in a Daft plan."""

    @property
    def name(self) -> str: ...
    @property
    def level(self) -> int: ...
    @property
    def function(self) -> str: ...
    @property
    def arguments(self) -> list[str]: ...
    @property
    def literals(self) -> list[Any]: ...
    @property
    def constants(self) -> dict[str, Any]: ...
    @property
    def nodes(self) -> list[DaftNode]: ...
    @property
    def own(self) -> int: ...
    @property
    def outputs(self) -> list[str]: ...
    @property
    def types(self) -> list[ArrowType | None]: ...
    @property
    def argument_types(self) -> list[ArrowType | None]: ...
    def run(self, counted: Any, arguments: list[Any]) -> list[Any]: ...
    def arrived(self, place: int, values: list[Any]) -> ArrowColumn: ...
    def refuse(self, place: int, counted: Any, count: int, row: int, message: str) -> None: ...

class DaftEvents:
    """What the callbacks of a DataFrame's pipeline hear: each query of the frame is a run."""

    def __init__(
        self,
        source: DaftSource,
        cache: Any,
        callbacks: Sequence[Any] | EventRecorder | None,
        inputs: dict[str, Any],
    ) -> None: ...
    @property
    def listened(self) -> bool: ...
    def begin(self) -> None: ...
    def end(self, finished: bool) -> None: ...
    def tell(self, event: tuple[Any, ...]) -> None: ...
    def tell_alone(self, column: str, event: tuple[Any, ...]) -> None: ...

class DaftSource:
    """The columns that a DataFrame begins with, and what its steps are compiled from."""

    @property
    def rows(self) -> int: ...
    @property
    def columns(self) -> list[tuple[str, Any]]: ...
    @property
    def key(self) -> str: ...
    @property
    def outputs(self) -> list[str]: ...

def daft_run(
    graph: Graph,
    inputs: dict[str, Any],
    output_name: str | Sequence[str] | None,
    cache: Any,
    callbacks: Any,
    options: Any,
) -> dict[str, Any]: ...
def daft_map(
    graph: Graph,
    inputs: dict[str, Any],
    map_over: str | Sequence[str],
    map_mode: str,
    output_name: str | Sequence[str] | None,
    cache: Any,
    callbacks: Any,
    outputs: str,
    options: Any,
    on_error: str = "raise",
) -> Any: ...
def daft_executor(options: Any) -> BatchExecutor: ...
def daft_inside_query() -> bool: ...
def daft_source(
    graph: Graph,
    inputs: dict[str, Any],
    map_over: str | Sequence[str] | None,
    map_mode: str,
    output_name: str | Sequence[str] | None,
    hints: dict[str, Any],
    own: list[Any],
) -> DaftSource: ...
def daft_source_on(
    graph: Graph,
    columns: dict[str, Any],
    inputs: dict[str, Any],
    output_name: str | Sequence[str] | None,
    hints: dict[str, Any],
    own: list[Any],
) -> DaftSource: ...
def daft_root_types(
    graph: Graph, output_name: str | Sequence[str] | None
) -> dict[str, ArrowType | None]: ...
def daft_compile(
    source: DaftSource, cache: Any, events: DaftEvents | None = None
) -> list[DaftStep]: ...
def daft_struct(names: Sequence[str], columns: list[Any]) -> ArrowColumn: ...
def daft_row_numbers(rows: int) -> ArrowColumn: ...
def daft_tickets(number: int, first: int, rows: int, name: str) -> ArrowTable: ...
def daft_redeem(tickets: Any, foreign: bool) -> None: ...
def daft_define_redeem() -> str: ...
def daft_extension_path() -> str: ...
def daft_stop() -> None: ...
