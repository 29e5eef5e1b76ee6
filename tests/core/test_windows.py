"""Windows at their boundaries."""

from banditroute.core.windows import OutcomeWindow
from tests.core.refusals import INF, NAN, refused


def test_windows() -> None:
    assert OutcomeWindow(seconds=1e-6).microseconds == 1
    refused(lambda seconds: OutcomeWindow(seconds=seconds), "must be a number in", 0, -1, NAN, INF, "1")
    refused(
        lambda missing: OutcomeWindow(seconds=1, missing=missing),
        "must be 'ignore', 'default' or 'censor'",
        "drop",
    )
    refused(lambda learn: OutcomeWindow(seconds=1, learn=learn), "must be 'on_arrival' or 'after_window'", "never")
    refused(
        lambda missing: OutcomeWindow(seconds=1, missing=missing, default=0.0),
        "needs a default",
        "ignore",
        "censor",
    )
    refused(lambda missing: OutcomeWindow(seconds=1, missing=missing), "needs a default", "default")
    ends = [OutcomeWindow(seconds=1), OutcomeWindow(seconds=1, learn="after_window")]
    ends += [OutcomeWindow(seconds=1, missing="default", default=0.0), OutcomeWindow(seconds=1, missing="censor")]
    assert [window.learns_on_close for window in ends] == [False, True, True, False]
