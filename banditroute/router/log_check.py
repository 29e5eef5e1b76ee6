"""Recomputation of sums from a log, for commands that check a database."""

from collections.abc import Mapping

from banditroute.core.log import StateKey
from banditroute.core.objectives import Objectives
from banditroute.core.spec import RouterSpec
from banditroute.learning import folder
from banditroute.learning.sums.codec import decode
from banditroute.learning.sums.table import SumsTable
from banditroute.router.state import snapshot
from banditroute.store import Fold


def fold_of(spec: RouterSpec) -> Fold:
    """The fold with which a router of that shape learns."""
    groups = Objectives(spec.objectives).groups
    return folder({group: len(positions) for group, positions in groups.items()})


def agrees(blob: bytes, sums: Mapping[StateKey, bytes]) -> bool:
    """Whether a snapshot holds what these sums add up to.

    By arm and group: a snapshot may have merged epochs which the sums keep apart.

    Raises:
        SnapshotCorruptError: if one of them is damaged.
    """
    held = SumsTable.decode(snapshot.decode(blob)[1])
    added = SumsTable(held.dimension, held.groups)
    for key, encoded in sums.items():
        added.put(key, decode(encoded))
    pairs = {(key.arm, key.group) for key in (*held.keys, *added.keys)}
    return all(held.totals(*pair) == added.totals(*pair) for pair in pairs)
