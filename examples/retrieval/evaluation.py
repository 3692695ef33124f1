"""Questions with the topics that answer them, and how well a ranking does on them."""

import math

from pydantic import BaseModel

from hypernodes import node


class Question(BaseModel):
    text: str
    relevant: list[str]


class Scores(BaseModel):
    recall: float
    mrr: float
    ndcg: float


QUESTIONS = [
    Question(text=text, relevant=relevant.split())
    for text, relevant in {
        "leave a loop early": "break",
        "skip to the next round of a loop": "continue",
        "how do I catch an error": "try exceptions",
        "signal that something went wrong": "raise exceptions",
        "release a file automatically at the end of a block": "with context-managers",
        "small anonymous function": "lambda",
        "default values of parameters": "function",
        "change a variable of the enclosing function": "nonlocal naming",
        "load another module": "import",
        "take part of a sequence": "slicings",
        "number of decimals when printing": "formatstrings",
        "which operator binds tighter": "operator-summary",
        "intercept reading of an attribute": "attribute-access",
        "split text at commas": "string-methods",
        "remove an item from a list": "typesseq-mutable del",
        "step through a program line by line": "debugger",
    }.items()
]


@node(output_name="query")
def ask(question: Question) -> str:
    return question.text


@node(output_name="scores")
def judge(
    question: Question, by_words: list[str], by_meaning: list[str], fused: list[str], top: int
) -> dict[str, Scores]:
    rankings = {"words": by_words, "meaning": by_meaning, "fused": fused}
    return {method: score(ranking[:top], question.relevant) for method, ranking in rankings.items()}


def score(found: list[str], relevant: list[str]) -> Scores:
    places = [place for place, topic in enumerate(found, start=1) if topic in relevant]
    ideal = sum(1 / math.log2(place + 1) for place in range(1, len(relevant) + 1))
    return Scores(
        recall=len(places) / len(relevant),
        mrr=1 / places[0] if places else 0.0,
        ndcg=sum(1 / math.log2(place + 1) for place in places) / ideal,
    )


@node(output_name="report")
def average(scores: list[dict[str, Scores]]) -> dict[str, Scores]:
    """The mean of each score over all questions, by method."""

    def mean(method: str, name: str) -> float:
        return round(sum(getattr(each[method], name) for each in scores) / len(scores), 4)

    return {
        method: Scores(**{name: mean(method, name) for name in Scores.model_fields})
        for method in scores[0]
    }
