"""What may be a payload, wherever it comes from."""

from __future__ import annotations

import pytest

from postrider.domain.errors import InvalidInput, NotJson
from postrider.pipeline import exact_json


@pytest.mark.parametrize(
    "text",
    [b"null", b'{"total":1.10,"total":1e400}', b"12345678901234567890123", '"Zoë \\u00eb"'.encode(), b"[[]]"],
)
def test_a_payload_stays_as_it_is(text: bytes) -> None:
    """Numbers, repeated names and escapes are kept as they were written; only blanks around it go."""
    assert exact_json.check("payload", b" \r\n\t" + text + b"\n ") == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "is empty"),
        (b"{", "is not valid JSON"),
        (b"1,2", "is not valid JSON"),
        (b"NaN", "is not valid JSON"),
        (b'"\\ud800"', "is not valid JSON"),
        (b'"\xff"', "is not UTF-8"),
        (b"\xef\xbb\xbf1", "byte order mark"),
        (b"[" * 101 + b"]" * 101, "nested deeper than 100 levels"),
        (b"[" * 100_000 + b"]" * 100_000, "nested deeper than 100 levels"),
        (b'"' + b"x" * exact_json.LARGEST + b'"', "larger than 5 MiB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_payload_is_named(text: bytes, why: str) -> None:
    """The field that holds it is named, with the reason."""
    with pytest.raises(InvalidInput, match=why) as refusal:
        exact_json.check("data.payload", text)

    assert refusal.value.pointer == "data.payload"
    assert refusal.value.detail.startswith("payload: ")
    assert not isinstance(refusal.value, NotJson)
