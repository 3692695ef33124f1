"""The demo's Python nodes. Plain data goes from one to the next, so that all of it is cached."""

import ast
import math
from collections import Counter
from pathlib import Path

from hypernodes import node


@node(output_name=("summary", "names", "notes"))
def parse(path: str, stamp: str) -> tuple[str, list[str], list[str]]:
    """The module's docstring, the names it defines and their docstrings.

    `stamp` only says which version of the file this is: it makes the cache notice an edited one.
    """
    tree = ast.parse(Path(path).read_bytes())
    definitions = list(find_definitions(tree.body))
    names = [definition.name for definition in definitions]
    notes = [ast.get_docstring(definition) or "" for definition in definitions]
    return ast.get_docstring(tree) or "", names, [note for note in notes if note]


def find_definitions(body: list[ast.stmt]):
    """Classes, functions and methods, also under a module's `if` and `try`, in file order."""
    for statement in body:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield statement
        if isinstance(statement, ast.ClassDef | ast.If | ast.Try):
            yield from find_definitions(statement.body)


@node(output_name="text")
def compose(module: str, summary: str, names: list[str], notes: list[str]) -> str:
    """One text to search; a field counts as often as it is repeated in it."""
    return "\n".join([module] * 3 + [summary] * 2 + names * 2 + notes)


@node(output_name=("frequency", "average_length"))
def statistics(counts: list[dict[str, int]]) -> tuple[dict[str, int], float]:
    """In how many documents each term occurs, and how many terms a document has."""
    frequency = Counter(term for count in counts for term in count)
    length = sum(sum(count.values()) for count in counts)
    return dict(frequency), length / max(len(counts), 1)


@node(output_name="weights")
def weigh(
    counts: list[dict[str, int]], frequency: dict[str, int], average_length: float
) -> list[dict[str, float]]:
    """BM25: what each term adds to a document's score if the query has it."""
    k1, b = 1.5, 0.75
    documents = len(counts)
    rarity = {
        term: math.log(1 + (documents - n + 0.5) / (n + 0.5)) for term, n in frequency.items()
    }
    weights = []
    for count in counts:
        norm = k1 * (1 - b + b * sum(count.values()) / average_length)
        weights.append(
            {term: rarity[term] * n * (k1 + 1) / (n + norm) for term, n in count.items()}
        )
    return weights


@node(output_name="index")
def invert(modules: list[str], weights: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Each term with the modules that have it and its weight there."""
    index: dict[str, dict[str, float]] = {}
    for module, weight in zip(modules, weights, strict=True):
        for term, value in weight.items():
            index.setdefault(term, {})[module] = value
    return index


@node(output_name=("found", "scores"))
def rank(
    tokens: list[str], index: dict[str, dict[str, float]], top: int
) -> tuple[list[str], list[float]]:
    """The `top` modules for a query, best first, and their scores."""
    scores: Counter[str] = Counter()
    for token in dict.fromkeys(tokens):
        scores.update(index.get(token, {}))
    best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:top]
    return [module for module, _ in best], [round(score, 4) for _, score in best]
