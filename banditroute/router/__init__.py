"""The live path: turns requests into decisions, learns from feedback, and follows the log of other workers."""

from banditroute.router.feedback_client import FeedbackClient
from banditroute.router.router import Router

__all__ = ["FeedbackClient", "Router"]
