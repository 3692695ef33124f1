"""The chain that `overhead` runs: ten trivial functions, each named like its output.

Plain functions in a module of their own, because Hamilton builds its graph from a module.
"""


def n1(x: int) -> int:
    return x + 1


def n2(n1: int) -> int:
    return n1 + 1


def n3(n2: int) -> int:
    return n2 + 1


def n4(n3: int) -> int:
    return n3 + 1


def n5(n4: int) -> int:
    return n4 + 1


def n6(n5: int) -> int:
    return n5 + 1


def n7(n6: int) -> int:
    return n6 + 1


def n8(n7: int) -> int:
    return n7 + 1


def n9(n8: int) -> int:
    return n8 + 1


def n10(n9: int) -> int:
    return n9 + 1
