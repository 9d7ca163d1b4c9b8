"""The integrations of Celigo's integrator.io, so that its clients work against this API as they are."""

from .app import PATH, create

__all__ = ["PATH", "create"]
