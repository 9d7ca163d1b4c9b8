"""STOMP frames to bytes and back, by stomp.py; no I/O here.

stomp.py's own connection is not used: it cannot keep a deadline, resolves names unseen by the guard, and spins when the
far side of a TLS connection closes. Its protocol classes write to any object shaped like its transport: this one.
"""

from __future__ import annotations

import os
import re

# Importing stomp.py looks this machine's own name up, which can take seconds; nothing here uses the answer.
os.environ.setdefault("STOMP_SKIP_HOSTNAME_SCAN", "1")

from stomp.protocol import Protocol11, Protocol12
from stomp.utils import Frame, convert_frame, parse_frame

__all__ = ["BadFrame", "Frame", "Frames", "Protocol12", "protocol_of"]

LONGEST_FRAME = 64 * 1024
"""Answers are short: a broker that sends more than this in a frame is none."""

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CONTENT_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*([0-9]{1,9})[ \t]*\r?$", re.MULTILINE)


class BadFrame(Exception):  # noqa: N818 - it reads as what was found
    """What came is not STOMP."""


class Frames:
    """One connection's outgoing bytes and incoming frames; stomp.py's protocol classes take it for a transport."""

    def __init__(self, host: str, port: int, vhost: str) -> None:
        self.current_host_and_port = (host, port)
        self.vhost = vhost
        self.outgoing = bytearray()
        self._incoming = bytearray()

    def set_listener(self, name: str, listener: object) -> None:
        """Take no listener: frames are handed out by `feed`."""

    def transmit(self, frame: Frame) -> None:
        for piece in convert_frame(frame):
            self.outgoing += piece

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes that came and give the frames that are complete; heartbeats are left out."""
        self._incoming += data
        frames = []
        while (end := self._frame_end()) is not None:
            frame = parse_frame(bytes(self._incoming[:end]))
            del self._incoming[: end + 1]
            if frame is not None:
                frames.append(frame)
        if len(self._incoming) > LONGEST_FRAME:
            raise BadFrame
        return frames

    def _frame_end(self) -> int | None:
        """Find the NUL that ends the first frame; one inside a body with a content-length does not."""
        del self._incoming[: len(self._incoming) - len(self._incoming.lstrip(b"\r\n"))]
        nul, head = self._incoming.find(b"\0"), _HEAD_END.search(self._incoming)
        if head is not None and (nul < 0 or head.start() < nul):
            length = _CONTENT_LENGTH.search(self._incoming, 0, head.start() + 1)
            if length is not None:
                return self._body_end(head.end(), int(length[1]))
        return nul if nul >= 0 else None

    def _body_end(self, begin: int, length: int) -> int | None:
        end = begin + length
        if length > LONGEST_FRAME or (len(self._incoming) > end and self._incoming[end] != 0):
            raise BadFrame
        return end if len(self._incoming) > end else None


def protocol_of(frames: Frames, version: str) -> Protocol11 | None:
    """Give what speaks a version; None for 1.0, which cannot escape headers, and for what nobody knows."""
    if version == "1.2":
        return Protocol12(frames)
    return Protocol11(frames) if version == "1.1" else None
