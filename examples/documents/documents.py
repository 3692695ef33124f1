"""Answers questions from a folder of documents, with resources that are made when first used.

The folder is the manual that comes with Python, a text file for each topic, or one of your own. An
async node reads the files. The tokenizer and the answerer are `@stateful`: bound to the pipeline
once, made once in a process when a node needs them, and never while all comes from the cache.

./run python examples/documents/documents.py --engine daft --cache .cache/documents
"""

import argparse
import asyncio
import math
import re
import tempfile
from collections import Counter
from pathlib import Path
from pydoc_data.topics import topics as MANUAL

import hypernodes.engines
from hypernodes import DiskCache, Pipeline, node, stateful

ENGINES = {"seq": "SeqEngine", "daft": "DaftEngine", "dask": "DaskEngine"}
EMPTY = "a an and are as at be by can does do for from how i in is it of on or that the to what"
QUESTIONS = [
    "What does the with statement do?",
    "When is the else clause of a loop executed?",
    "What happens if no expressions are present in a raise statement?",
    "What does the pass statement do?",
    "How is a default parameter value evaluated?",
    "What are lambda expressions used for?",
    "Which operators have the same precedence?",
    "What does the global statement mean?",
]


# --- resources -----------------------------------------------------------------------------------


@stateful
class Tokenizer:
    """Words in lower case without their endings, and without those that say nothing."""

    def __init__(self, empty: str, endings: tuple[str, ...] = ("ing", "ed", "es", "s")) -> None:
        self.empty = frozenset(empty.split())
        self.word = re.compile(r"[a-z_]{2,}")
        self.ending = re.compile(rf"(?<=\w{{3}})({'|'.join(endings)})$")

    def __call__(self, text: str) -> list[str]:
        words = self.word.findall(text.lower())
        return [self.ending.sub("", word) for word in words if word not in self.empty]


@stateful
class Answerer:
    """Picks the sentence that has the rarest words of a question, close together."""

    def __init__(self, longest: int) -> None:
        self.longest = longest  # words in an answer

    def best(
        self, wanted: dict[str, float], sentences: list[str], tokenizer: Tokenizer
    ) -> tuple[float, str]:
        scored = [(self.score(wanted, tokenizer(s)), -place) for place, s in enumerate(sentences)]
        score, place = max(scored, default=(0.0, 0))
        return score, sentences[-place] if sentences else ""

    def score(self, wanted: dict[str, float], words: list[str]) -> float:
        if not words or len(words) > self.longest:
            return 0.0
        found = sum(weight for word, weight in wanted.items() if word in words)
        return round(found / math.log(8 + len(words)), 6)


# --- a document ----------------------------------------------------------------------------------


@node(output_name="text")
async def read(path: str, stamp: str) -> str:
    """`stamp` says which version of the file this is: it makes the cache notice another."""
    return await asyncio.to_thread(Path(path).read_text, encoding="utf-8")


@node(output_name=("title", "sentences"))
def split(path: str, text: str) -> tuple[str, list[str]]:
    """The name of the file, and its sentences without headings, code and grammar."""
    paragraphs = re.split(r"\n\s*\n", text)
    prose = [p for p in paragraphs if not re.search(r"^   |::=|\*\*\*|===", p, re.MULTILINE)]
    sentences = [s for p in prose for s in re.split(r"(?<=[.:?])\s+(?=[A-Z])", " ".join(p.split()))]
    return Path(path).stem, [s for s in sentences if s.endswith(".")]


@node(output_name="counts")
def count(sentences: list[str], tokenizer: Tokenizer) -> dict[str, int]:
    return dict(Counter(word for sentence in sentences for word in tokenizer(sentence)))


# --- all documents -------------------------------------------------------------------------------


@node(output_name="rarity")
def weigh(counts: list[dict[str, int]]) -> dict[str, float]:
    """How much each word tells: those in few documents more."""
    having = Counter(word for count in counts for word in count)
    return {word: round(math.log(1 + len(counts) / n), 6) for word, n in having.items()}


# --- a question ----------------------------------------------------------------------------------


@node(output_name="wanted")
def understand(question: str, rarity: dict[str, float], tokenizer: Tokenizer) -> dict[str, float]:
    return {word: rarity[word] for word in tokenizer(question) if word in rarity}


@node(output_name="candidates")
def shortlist(wanted: dict[str, float], counts: list[dict[str, int]], shortest: int) -> list[int]:
    """The documents with most of the words, by their places."""

    def score(count: dict[str, int]) -> float:
        length = shortest + sum(count.values())
        return sum(weight * count.get(word, 0) / length for word, weight in wanted.items())

    places = sorted(range(len(counts)), key=lambda place: (-score(counts[place]), place))
    return places[:8]


@node(output_name=("answer", "source", "confidence"))
def answer(
    wanted: dict[str, float],
    candidates: list[int],
    titles: list[str],
    sentences: list[list[str]],
    tokenizer: Tokenizer,
    answerer: Answerer,
) -> tuple[str, str, float]:
    found = [(*answerer.best(wanted, sentences[place], tokenizer), place) for place in candidates]
    score, sentence, place = max(found, key=lambda each: (each[0], -each[2]))
    possible = sum(wanted.values()) or 1.0
    return sentence, titles[place], round(score / possible, 3)


def build() -> Pipeline:
    """Needs paths, stamps and questions; tokenizer and answerer are bound."""
    tokenizer = Tokenizer(EMPTY)
    document = Pipeline([read, split, count], name="document").bind(tokenizer=tokenizer)
    asking = Pipeline([understand, shortlist, answer], name="asking")
    asking.bind(tokenizer=tokenizer, answerer=Answerer(longest=40), shortest=50)
    documents = document.as_node(
        input_mapping={"paths": "path", "stamps": "stamp"},
        output_mapping={"title": "titles", "sentences": "sentences", "counts": "counts"},
        map_over=["paths", "stamps"],
    )
    answers = asking.as_node(
        input_mapping={"questions": "question"},
        output_mapping={"answer": "answers", "source": "sources", "confidence": "confidences"},
        map_over="questions",
    )
    return Pipeline([documents, weigh, answers], name="documents")


def write_manual(folder: Path) -> Path:
    """A file for each topic; those that are there already stay untouched."""
    folder.mkdir(parents=True, exist_ok=True)
    for topic, text in MANUAL.items():
        path = folder / f"{topic}.txt"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return folder


def inputs(folder: Path) -> dict:
    paths = sorted(folder.glob("*.txt"))
    return {
        "paths": [str(path) for path in paths],
        "stamps": [f"{s.st_size} bytes, {s.st_mtime_ns}" for s in (path.stat() for path in paths)],
        "questions": QUESTIONS,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=ENGINES, default="seq")
    parser.add_argument("--cache", metavar="DIR", help="where results are kept")
    parser.add_argument("--folder", type=Path, help="your own text files")
    options = parser.parse_args(arguments)
    pipeline = build().with_engine(getattr(hypernodes.engines, ENGINES[options.engine])())
    if options.cache:
        pipeline.with_cache(DiskCache(options.cache))
    with tempfile.TemporaryDirectory() as scratch:
        # Paths are part of cache keys: with a cache, the manual stays where it is.
        folder = options.folder or write_manual(Path(options.cache or scratch, "manual"))
        result = pipeline.run(inputs(folder))
    columns = (result[name] for name in ("answers", "sources", "confidences"))
    for question, text, source, confidence in zip(QUESTIONS, *columns, strict=True):
        print(f"{question}\n  {text}\n  [{source}, {confidence:.2f}]")


if __name__ == "__main__":
    main()
