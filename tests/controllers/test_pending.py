"""Pending outcomes, whose number is bounded."""

from banditroute.controllers.pending import MAX_PENDING, PendingOutcomes


def test_the_oldest_note_is_removed() -> None:
    memory: PendingOutcomes[tuple[int]] = PendingOutcomes()
    for number in range(MAX_PENDING + 3):
        memory.put(number.to_bytes(16, "big"), (number,))
    assert len(memory) == MAX_PENDING
    assert memory.get((2).to_bytes(16, "big")) is None
    assert memory.get((3).to_bytes(16, "big")) == (3,)
