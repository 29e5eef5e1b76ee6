"""Names in many scripts, in two normal forms, and with characters that nobody sees."""

import unicodedata

import pytest

from banditroute import Arm, Objective, Router
from banditroute.core.names import checked_name, is_name, normal
from banditroute.errors import InvalidArgumentError, UnknownArmError

GOOD = [
    "modèle",
    "\U0001f469\u200d\U0001f4bb",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "\u6771\u4eac\u3000\u652f\u5e97",
    "Team\u00a07",
    "a b",
]
BAD = [
    "two\nlines",
    "tab\t",
    "nul\0",
    "\ud800",
    "\u202ereversed",
    "zero\u200bwidth",
    "\u2028",
    "\ue000",
    "\ufeffbom",
]


@pytest.mark.parametrize("text", GOOD)
def test_names_of_many_scripts(text: str) -> None:
    assert checked_name("x", text, longest=100) == unicodedata.normalize("NFC", text)
    router = Router("r", arms=[Arm(text), Arm("b")], seed=1)
    decision = router.route([0.5], allowed=[text], session=text, cohort=text)
    router.feedback(decision.id, quality=0.5, source=text, served_arm=text)
    assert (decision.arm, router.health().faults) == (normal(text), 0)


@pytest.mark.parametrize("text", BAD)
def test_invisible_and_control_characters_are_refused(text: str) -> None:
    assert not is_name(text, longest=100)
    with pytest.raises(InvalidArgumentError, match="must be 1 to 200 printable characters"):
        Arm(text)
    with pytest.raises(InvalidArgumentError, match="session must be a string"):
        Router("r", arms=[Arm("a")]).route([0.5], session=text)


def test_two_forms_of_one_text_are_one_name() -> None:
    composed, decomposed = (unicodedata.normalize(form, "modèle") for form in ("NFC", "NFD"))
    with pytest.raises(InvalidArgumentError, match="arm names must be unique"):
        Router("r", arms=[Arm(composed), Arm(decomposed)])
    router = Router("r", arms=[Arm(decomposed), Arm("b")], objectives=[Objective("qualité")], default_arm=composed)
    assert set(router.arms) == {composed, "b"}
    decision = router.route([0.5], allowed=[decomposed], incumbent=decomposed)
    receipt = router.feedback(decision.id, {unicodedata.normalize("NFD", "qualité"): 0.5}, served_arm=decomposed)
    assert receipt.status == "recorded"
    router.preferences = {unicodedata.normalize("NFD", "qualité"): 2.0}
    router.drain_arm(decomposed)
    assert router.arms[composed] == "draining"
    with pytest.raises(UnknownArmError):
        router.route([0.5], allowed=["modele"])
