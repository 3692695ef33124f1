# SPDX-License-Identifier: MIT
"""The engines that tests of what all of them do run on: makers, by what they are called."""

import hypernodes
from hypernodes import engines

# Nodes run in this process, and may note their calls in it.
HERE = {
    "seq": engines.SeqEngine,
    "daft": lambda: hypernodes.DaftEngine(),
    "daft parts": lambda: hypernodes.DaftEngine(default_daft_config={"max_workers": 3}),
    "dask threads": lambda: engines.DaskEngine(num_workers=2),
    "dask synchronous": lambda: engines.DaskEngine("synchronous"),
}
EVERYWHERE = HERE | {
    "dask processes": lambda: engines.DaskEngine("processes", num_workers=2),
    "daft processes": lambda: hypernodes.DaftEngine(
        default_daft_config={"use_process": True, "max_workers": 2, "max_concurrency": 2}
    ),
}
