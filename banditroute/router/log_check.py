"""Recomputes sums from a log, for commands that check a database."""

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
    """Return the fold with which a router of this shape learns."""
    groups = Objectives(spec.objectives).groups
    return folder({group: len(positions) for group, positions in groups.items()})


def agrees(blob: bytes, sums: Mapping[StateKey, bytes]) -> bool:
    """Return whether the sums in a snapshot equal these sums, by arm and group.

    Epochs are not compared: a snapshot may have merged epochs that are separate in ``sums``.

    Raises:
        SnapshotCorruptError: if one of them is damaged.
    """
    held = SumsTable.decode(snapshot.decode(blob)[1])
    added = SumsTable(held.dimension, held.groups)
    for key, encoded in sums.items():
        added.put(key, decode(encoded))
    pairs = {(key.arm, key.group) for key in (*held.keys, *added.keys)}
    return all(held.totals(*pair) == added.totals(*pair) for pair in pairs)
