"""The two trivial functions of the `daft` and `cache` benchmarks."""


def double(x: int) -> int:
    return x * 2


def add_ten(doubled: int) -> int:
    return doubled + 10
