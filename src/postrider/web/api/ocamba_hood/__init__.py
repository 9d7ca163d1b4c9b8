"""Ocamba Hood's API of integrations, so that its clients work against this one as they are: `/v1/hood/...`."""

from .app import PATH, create
from .windows import Windows

__all__ = ["PATH", "Windows", "create"]
