"""The same nodes after an edit, for `--edit`: another body under the same name."""

import math

from hypernodes import node


@node(output_name="text")
def compose(module: str, summary: str, names: list[str], notes: list[str]) -> str:
    """One text to search, without the names that the module keeps to itself."""
    public = [name for name in names if not name.startswith("_")]
    return "\n".join([module] * 3 + [summary] * 2 + public * 2 + notes)


@node(output_name="weights")
def weigh(
    counts: list[dict[str, int]], frequency: dict[str, int], average_length: float
) -> list[dict[str, float]]:
    """TF-IDF: no saturation, no regard for a document's length."""
    documents = len(counts)
    return [
        {term: n * math.log(documents / frequency[term]) for term, n in count.items()}
        for count in counts
    ]
