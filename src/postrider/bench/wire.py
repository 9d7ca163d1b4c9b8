"""Just enough of HTTP/1.1, for what the bench itself reads: messages that say their length."""

from __future__ import annotations

HEAD_END = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length:"


def header(head: bytes, name: bytes) -> bytes:
    """Give a header's value, empty when it is not there; `name` is written as `LENGTH` is.

    The head is in small letters, and ends with its last line's end.
    """
    at = head.find(name)
    if at < 0:
        return b""
    at += len(name)
    return head[at : head.index(b"\r\n", at)].strip()
