"""Searches the Python standard library: one pipeline of Python and C++ nodes, on Daft, cached.

./run demo                   run it; run it again, and every row comes from the cache
./run demo --edit            change the code of one node: only what depends on it runs
./run demo --query "..."     ask something else
"""

import argparse
import difflib
import inspect
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import edits
import search_nodes
from corpus import Corpus, find_corpus
from watch import Tally

import hypernodes
from hypernodes import DaftEngine, DiskCache, Pipeline, SequentialEngine
from hypernodes.pipeline_node import PipelineNode
from hypernodes.telemetry import ProgressCallback

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "build/release/examples/demo/libdemo_nodes.so"
CACHE = ROOT / ".cache/demo"
ENGINES = {"daft": DaftEngine, "sequential": SequentialEngine}
EDITABLE = ("compose", "weigh")
QUERIES = [
    "parse command line arguments",
    "read and write csv files",
    "compress data with gzip",
    "regular expression matching",
    "send email over smtp",
]

Key = tuple[str, str]  # the names of a pipeline and of a node in it


# --- the pipeline --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Search:
    """The pipeline to run, and the two inside it."""

    document: Pipeline
    query: Pipeline
    whole: Pipeline

    def nodes(self) -> dict[Key, object]:
        """Every node that is not itself a pipeline, in the order of the data."""
        return {
            (pipeline.name, node.name): node
            for pipeline in (self.document, self.whole, self.query)
            for node in pipeline.graph.execution_order
            if not isinstance(node, PipelineNode)
        }


def build_search(library: Path, engine: str, edited: str | None = None) -> Search:
    """The pipeline with its documents on `engine`, and the node named `edited` from edits.py."""
    native = hypernodes.load(str(library))

    def python(name: str):
        return getattr(edits if name == edited else search_nodes, name)

    document = Pipeline(
        nodes=[
            python("parse"),
            python("compose"),
            native.normalise,
            native.tokenise,
            native.count,
        ],
        engine=ENGINES[engine](),
        name="document",
    )
    query = Pipeline(nodes=[native.normalise, native.tokenise, python("rank")], name="query")
    # cache=False: both are entered on every run, so that the table can show their rows one by one.
    documents = document.as_node(
        name="documents",
        input_mapping={"modules": "module", "paths": "path", "stamps": "stamp"},
        output_mapping={"counts": "counts"},
        map_over=["modules", "paths", "stamps"],
        cache=False,
    )
    answers = query.as_node(
        name="answers",
        input_mapping={"queries": "text"},
        output_mapping={"found": "found", "scores": "scores"},
        map_over="queries",
        cache=False,
    )
    corpus_nodes = [python("statistics"), python("weigh"), python("invert")]
    return Search(document, query, Pipeline([documents, *corpus_nodes, answers], name="search"))


def affected_by(search: Search, edited: str) -> set[Key]:
    """The edited node and all that depend on it."""
    crossing = {"counts", "index"}  # the outputs that leave the pipeline they are made in
    affected: set[Key] = set()
    changed: set[Key] = set()
    for (pipeline, name), node in search.nodes().items():
        inputs = {(None if i in crossing else pipeline, i) for i in node.root_args}
        if name == edited or changed & inputs:
            affected.add((pipeline, name))
            outputs = [node.output_name] if isinstance(node.output_name, str) else node.output_name
            changed |= {(None if o in crossing else pipeline, o) for o in outputs}
    return affected


# --- running it ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """The answers, how long they took, and for each node the rows run and from the cache."""

    found: list[list[str]]
    scores: list[list[float]]
    seconds: float
    rows: dict[Key, tuple[int, int]]

    @property
    def run(self) -> int:
        return sum(run for run, _ in self.rows.values())

    @property
    def cached(self) -> int:
        return sum(cached for _, cached in self.rows.values())

    def describe(self) -> str:
        rate = (self.run + self.cached) / self.seconds
        return (
            f"{self.run:,} rows run, {self.cached:,} from the cache,"
            f" in {self.seconds:.2f} s: {rate:,.0f} rows/s"
        )


def run_search(search: Search, corpus: Corpus, options: argparse.Namespace) -> Outcome:
    nodes = search.nodes()
    tally = Tally()
    pipeline = search.whole.with_cache(DiskCache(options.cache_dir / "nodes"))
    pipeline = pipeline.with_callbacks([tally, ProgressCallback()])
    inputs = {
        "modules": corpus.modules,
        "paths": corpus.paths,
        "stamps": corpus.stamps,
        "queries": options.query or QUERIES,
        "top": options.top,
    }
    begin = time.perf_counter()
    result = pipeline.run(inputs=inputs, output_name=["found", "scores"])
    seconds = time.perf_counter() - begin
    counted = {key: (tally.run[key], tally.cached[key]) for key in nodes}
    return Outcome(result["found"], result["scores"], seconds, counted)


def cold_seconds(outcome: Outcome, corpus: Corpus, options: argparse.Namespace) -> float | None:
    """How long this took when nothing was cached: noted by the run that saw it, if any did."""
    notes = options.cache_dir / "cold.json"
    times = json.loads(notes.read_text()) if notes.exists() else {}
    setting = f"{options.engine}, {len(corpus.modules)} modules, {sys.prefix}"
    if outcome.rows["document", "parse"][1] == 0:
        notes.write_text(json.dumps(times | {setting: outcome.seconds}, indent=2))
        return None
    return times.get(setting)


# --- showing it ----------------------------------------------------------------------------------


def print_answers(queries: list[str], outcome: Outcome) -> None:
    for query, found, scores in zip(queries, outcome.found, outcome.scores, strict=True):
        print(f"\n{query}")
        for place, (module, score) in enumerate(zip(found, scores, strict=True), start=1):
            print(f"  {place}. {module:<28}{score:6.2f}")


def print_rows(outcome: Outcome) -> None:
    print(f"\n{'node':<24}{'rows run':>10}{'from cache':>12}")
    for (pipeline, node), (run, cached) in outcome.rows.items():
        print(f"{pipeline + '.' + node:<24}{run:>10,}{cached:>12,}")


def print_edit(name: str) -> None:
    before, after = (
        inspect.getsource(getattr(module, name).func).splitlines()
        for module in (search_nodes, edits)
    )
    print(f"\nThe edit: another body for {name}\n")
    for line in list(difflib.unified_diff(before, after, lineterm="", n=1))[3:]:
        print(f"  {line}")


def show_search(corpus: Corpus, options: argparse.Namespace) -> int:
    outcome = run_search(build_search(options.library, options.engine), corpus, options)
    print_answers(options.query or QUERIES, outcome)
    print_rows(outcome)
    print(f"\n{outcome.describe()}")
    cold = cold_seconds(outcome, corpus, options)
    if outcome.run:
        print("Run it again: all of it is in the cache now.")
    if cold is not None:
        print(f"{cold / outcome.seconds:.1f} times as fast as with an empty cache ({cold:.2f} s).")
    return 0


def show_edit(corpus: Corpus, options: argparse.Namespace) -> int:
    before = run_search(build_search(options.library, options.engine), corpus, options)
    print(f"\nAs it is: {before.describe()}")
    print_edit(options.edit)
    search = build_search(options.library, options.engine, options.edit)
    outcome = run_search(search, corpus, options)
    print_answers(options.query or QUERIES, outcome)
    print_rows(outcome)
    print(f"\n{outcome.describe()}")
    ran = {key for key, (run, _) in outcome.rows.items() if run}
    wrong = ran - affected_by(search, options.edit)
    if wrong:
        print(f"Ran although nothing they depend on changed: {sorted(wrong)}")
        return 1
    if ran:
        print(f"Only {options.edit} and nodes that depend on it ran, on the rows that it changed.")
    else:
        print("Nothing ran: the edited version is in the cache, too. --fresh begins again.")
    return 0


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run demo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--engine", choices=ENGINES, default="daft", help="what maps the documents (daft)")
    add("--edit", nargs="?", const="compose", choices=EDITABLE, help="the node to edit (compose)")
    add("--query", action="append", help="ask this instead; may be repeated")
    add("--top", type=int, default=5, help="answers for each query (5)")
    add("--limit", type=int, help="the first modules only, top-level ones first")
    add("--fresh", action="store_true", help="forget what is cached")
    add("--cache-dir", type=Path, default=CACHE, help="where results are kept (.cache/demo)")
    add("--library", type=Path, default=LIBRARY, help="the C++ nodes")
    return parser.parse_args(arguments)


def main() -> int:
    options = parse_options()
    options.cache_dir.mkdir(parents=True, exist_ok=True)
    if options.fresh:
        DiskCache(options.cache_dir / "nodes").clear()
        (options.cache_dir / "cold.json").unlink(missing_ok=True)
    corpus = find_corpus(options.limit)
    print(
        f"The standard library of Python {sys.version.split()[0]}: {len(corpus.modules)} modules,"
        f" {corpus.size_bytes / 1e6:.1f} MB, mapped by {ENGINES[options.engine].__name__}"
    )
    return show_edit(corpus, options) if options.edit else show_search(corpus, options)


if __name__ == "__main__":
    sys.exit(main())
