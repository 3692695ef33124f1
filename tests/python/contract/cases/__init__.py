# SPDX-License-Identifier: MIT
"""The table: a module for each part of the contract, each with a list CASES."""

from contract.cases import errors, maps, nested, nodes, runs, values

CASES = [*runs.CASES, *nodes.CASES, *maps.CASES, *nested.CASES, *values.CASES, *errors.CASES]
