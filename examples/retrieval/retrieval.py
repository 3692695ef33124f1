"""Hybrid search with an evaluation: BM25 and latent semantics over Python's own manual.

The documents are the topics that `help("with")` shows; evaluation.py has questions and which topics
answer them. Pipelines inside pipelines: one cuts and counts a topic, mapped over topics; one
searches for a text; one asks it a question and judges the answer, mapped over questions.

./run python examples/retrieval/retrieval.py --engine daft --cache .cache/retrieval
"""

import argparse
import math
import re
import zlib
from collections import Counter, defaultdict
from pydoc_data.topics import topics as MANUAL

import numpy as np
from evaluation import QUESTIONS, ask, average, judge
from pydantic import BaseModel

import hypernodes.engines
from hypernodes import DiskCache, Pipeline, node

ENGINES = {"seq": "SeqEngine", "daft": "DaftEngine", "dask": "DaskEngine"}
FEATURES = 4096  # how many buckets the pieces of words are hashed into
EMPTY = frozenset(
    re.findall(r"\w+", "a an and are as at be by do from how if in is it of on or that the to")
)


class Passage(BaseModel):
    topic: str
    text: str


# --- a topic -------------------------------------------------------------------------------------


@node(output_name="passages")
def cut(topic: str, text: str, size: int) -> list[Passage]:
    """Paragraphs, put together until a passage has `size` characters."""
    passages, current = [], ""
    for paragraph in re.split(r"\n\s*\n", text):
        current += re.sub(r"\s+", " ", paragraph) + " "
        if len(current) >= size:
            passages.append(Passage(topic=topic, text=current))
            current = ""
    return [*passages, Passage(topic=topic, text=current)] if current.strip() else passages


@node(output_name=("words", "pieces"))
def count(passages: list[Passage]) -> tuple[list[dict[str, int]], list[dict[int, int]]]:
    """For each passage, how often it has each word, and each piece of a word."""
    return [words_of(p.text) for p in passages], [pieces_of(p.text) for p in passages]


def words_of(text: str) -> dict[str, int]:
    return dict(Counter(split(text)))


def pieces_of(text: str) -> dict[int, int]:
    """Runs of four letters, hashed: `import` and `importing` share most of them."""
    words = (f"<{word}>" for word in split(text))
    runs = (word[i : i + 4] for word in words for i in range(max(len(word) - 3, 1)))
    return dict(Counter(zlib.crc32(run.encode()) % FEATURES for run in runs))


def split(text: str) -> list[str]:
    return [word for word in re.findall(r"[a-z]{2,}", text.lower()) if word not in EMPTY]


# --- the index -----------------------------------------------------------------------------------


@node(output_name="owners")
def list_owners(passages: list[list[Passage]]) -> list[str]:
    """The topic of each passage of all topics."""
    return [passage.topic for of_topic in passages for passage in of_topic]


@node(output_name="postings")
def weigh(words: list[list[dict[str, int]]]) -> dict[str, list[tuple[int, float]]]:
    """BM25: the passages that have a word, and what it adds to their score."""
    k1, b = 1.2, 0.75
    counts = [count for of_topic in words for count in of_topic]
    lengths = [sum(count.values()) for count in counts]
    average = sum(lengths) / len(lengths)
    having = Counter(word for count in counts for word in count)
    postings = defaultdict(list)
    for place, (count, length) in enumerate(zip(counts, lengths, strict=True)):
        for word, n in count.items():
            rarity = math.log(1 + (len(counts) - having[word] + 0.5) / (having[word] + 0.5))
            weight = rarity * n * (k1 + 1) / (n + k1 * (1 - b + b * length / average))
            postings[word].append((place, weight))
    return dict(postings)


@node(output_name=("vectors", "projection"))
def embed(pieces: list[list[dict[int, int]]], dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Latent semantics: the strongest directions of the table of passages by pieces."""
    counts = [count for of_topic in pieces for count in of_topic]
    table = np.zeros((len(counts), FEATURES))
    for row, count in enumerate(counts):
        table[row, list(count)] = np.log1p(list(count.values()))
    rarity = np.log((1 + len(counts)) / (1 + (table > 0).sum(axis=0)))
    weighted = unit(table * rarity)
    strengths, mixtures = np.linalg.eigh(weighted @ weighted.T)  # weakest first
    strongest = mixtures[:, -dimensions:] / np.sqrt(strengths[-dimensions:])
    projection = rarity[:, None] * (weighted.T @ strongest)
    return unit(table @ projection), projection


def unit(rows: np.ndarray) -> np.ndarray:
    """Each row with a length of 1."""
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)


# --- a search ------------------------------------------------------------------------------------


@node(output_name="by_words")
def search_words(
    query: str, postings: dict[str, list[tuple[int, float]]], owners: list[str]
) -> list[str]:
    scores: Counter[int] = Counter()
    for word in words_of(query):
        scores.update(dict(postings.get(word, [])))
    return rank(scores, owners)


@node(output_name="by_meaning")
def search_meaning(
    query: str, vectors: np.ndarray, projection: np.ndarray, owners: list[str]
) -> list[str]:
    pieces = pieces_of(query)
    wanted = unit(np.log1p(list(pieces.values())) @ projection[list(pieces)])
    return rank(dict(enumerate((vectors @ wanted).round(9).tolist())), owners)


def rank(scores: dict[int, float], owners: list[str]) -> list[str]:
    """Topics by their best passage."""
    best: dict[str, float] = {}
    for place, score in scores.items():
        best[owners[place]] = max(score, best.get(owners[place], score))
    return sorted(best, key=lambda topic: (-best[topic], topic))


@node(output_name="fused")
def fuse(by_words: list[str], by_meaning: list[str]) -> list[str]:
    """Reciprocal rank fusion: being near the top of both lists counts most."""
    scores: Counter[str] = Counter()
    for ranking in by_words, by_meaning:
        scores.update({topic: 1 / (60 + place) for place, topic in enumerate(ranking, start=1)})
    return sorted(scores, key=lambda topic: (-scores[topic], topic))


# --- the pipeline --------------------------------------------------------------------------------


def build() -> Pipeline:
    """Needs topics, texts and questions."""
    topic = Pipeline([cut, count], name="topic")
    search = Pipeline([search_words, search_meaning, fuse], name="search")
    evaluation = Pipeline([ask, search, judge], name="evaluation")
    topics = topic.as_node(
        input_mapping={"topics": "topic", "texts": "text"}, map_over=["topics", "texts"]
    )
    answers = evaluation.as_node(
        input_mapping={"questions": "question"},
        output_mapping={"fused": "answers", "scores": "scores"},
        map_over="questions",
    )
    nodes = [topics, list_owners, weigh, embed, answers, average]
    return Pipeline(nodes, name="retrieval").bind(size=2000, dimensions=128, top=5)


def inputs() -> dict:
    return {"topics": list(MANUAL), "texts": list(MANUAL.values()), "questions": QUESTIONS}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=ENGINES, default="seq")
    parser.add_argument("--cache", metavar="DIR", help="where results are kept")
    options = parser.parse_args(arguments)
    pipeline = build().with_engine(getattr(hypernodes.engines, ENGINES[options.engine])())
    if options.cache:
        pipeline.with_cache(DiskCache(options.cache))
    result = pipeline.run(inputs(), output_name=["answers", "report"])
    for question, found in zip(QUESTIONS, result["answers"], strict=True):
        shown = [f"{topic}*" if topic in question.relevant else topic for topic in found[:3]]
        print(f"{question.text:<52}{', '.join(shown)}")
    print(f"\n{'method':<10}{'recall@5':>10}{'MRR':>8}{'NDCG@5':>8}")
    for method, scores in result["report"].items():
        print(f"{method:<10}{scores.recall:>10.3f}{scores.mrr:>8.3f}{scores.ndcg:>8.3f}")


if __name__ == "__main__":
    main()
