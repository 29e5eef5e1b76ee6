"""The live path: requests to decisions, feedback to learning, and following the log of other workers."""

from banditroute.router.router import Router

__all__ = ["Router"]
