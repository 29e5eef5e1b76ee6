"""What a receipt says, before and after its feedback is stored."""

import asyncio
from concurrent.futures import Future

import pytest

from banditroute.core.receipt import Receipt, ReceiptStatus
from banditroute.errors import StoreUnavailableError


def test_the_store_has_the_last_word() -> None:
    stored: Future[ReceiptStatus] = Future()
    receipt, known = Receipt("id", "recorded", stored), Receipt("id", "duplicate", stored)
    assert (receipt.status, receipt.done) == ("recorded", False)
    with pytest.raises(TimeoutError):
        receipt.wait(0)
    stored.set_result("buffered")
    assert (receipt.status, receipt.done, known.status) == ("buffered", True, "duplicate")
    assert receipt.wait(0) is receipt

    async def waited() -> Receipt:
        return await receipt

    assert asyncio.run(waited()) is receipt


def test_what_could_not_be_stored_is_raised_to_who_waits() -> None:
    stored: Future[ReceiptStatus] = Future()
    stored.set_exception(StoreUnavailableError("away"))
    receipt = Receipt("id", "recorded", stored)
    assert (receipt.status, receipt.done) == ("refused", True)
    with pytest.raises(StoreUnavailableError, match="away"):
        receipt.wait(0)
