"""Letters: one receiver, one subject, and something to read."""

from __future__ import annotations

import json

import pytest

from postrider.domain.errors import InvalidInput
from postrider.transports.configuration import revised
from postrider.transports.mail import mail_address
from postrider.transports.sendgrid import SendgridConfiguration
from postrider.transports.template_language import TemplateFailed
from postrider.transports.template_sample import sample_document

GIVEN = {"api_key": "SG.key", "default_sender_email": "orders@shop.test"}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ada@customer.test", "ada@customer.test"),
        ("ada.b+tag_1@sub.customer.test", "ada.b+tag_1@sub.customer.test"),
        ("o'neil@customer.test", "o'neil@customer.test"),
        ("ada@bücher.test", "ada@xn--bcher-kva.test"),
    ],
)
def test_a_plain_address_is_taken(text: str, address: str) -> None:
    """An international host is written in ASCII."""
    assert mail_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@customer.test",
        "ada@",
        "ada@b.test, eve@x.test",
        "ada@b.test;eve@x.test",
        "Ada <ada@b.test>",
        "<ada@b.test>",
        "ada@b.test>\r\nRCPT TO:<eve@x.test",
        "ada@b.test\n",
        "ada@b.test bcc:eve@x.test",
        '"ada eve"@b.test',
        "ada..b@b.test",
        "ada@[127.0.0.1]",
        "ada@b_.test/",
        "zoë@b.test",
        "a" * 65 + "@b.test",
        "ada@" + ".".join(["a" * 60] * 5),
    ],
)
def test_what_could_reach_others_is_no_address(text: str) -> None:
    """Lists, names, quotes and breaks are refused."""
    with pytest.raises(ValueError, match="must"):
        mail_address(text)


def test_templates_have_defaults() -> None:
    """With nothing but settings the customer of an order is told what happened."""
    letter = SendgridConfiguration.parse(GIVEN).letter(sample_document(None))

    assert letter.to == "ada.fischer@example.com"
    assert letter.subject == "order.paid"
    assert letter.text.startswith("order.paid happened at 2026-11-22T12:00:05.000Z (event ")
    assert letter.html == ""


def test_values_are_escaped_in_html_alone() -> None:
    """What a customer calls herself is no HTML."""
    payload = json.dumps({"data": {"customer": {"name": "<b>Ada</b>", "email": "ada@b.test"}}}).encode()
    both = {"text": "Hi {{ payload.data.customer.name }}", "html": "<p>Hi {{ payload.data.customer.name }}</p>"}
    letter = SendgridConfiguration.parse(GIVEN | both).letter(sample_document(payload))

    assert letter.text == "Hi <b>Ada</b>"
    assert letter.html == "<p>Hi &lt;b&gt;Ada&lt;/b&gt;</p>"


def test_text_may_be_empty_beside_html_alone() -> None:
    """A mail of HTML only is a mail; one that says nothing is none."""
    only_html = SendgridConfiguration.parse(GIVEN | {"text": "", "html": "<p>Hi</p>"})
    nothing = SendgridConfiguration.parse(GIVEN | {"text": " ", "html": "{% if false %}x{% endif %}"})

    assert only_html.letter(sample_document(None)).html == "<p>Hi</p>"
    with pytest.raises(TemplateFailed, match="nothing would be sent"):
        nothing.letter(sample_document(None))


@pytest.mark.parametrize("to", ["ops", "{{ payload.data.customer.name }}", "a@b.test, c@d.test"])
def test_a_receiver_that_is_none_is_refused_when_saved(to: str) -> None:
    """The sample event shows it before the first customer misses a mail."""
    with pytest.raises(InvalidInput) as refused:
        revised(SendgridConfiguration, GIVEN | {"to": to}, {})

    assert refused.value.pointer == "data.configuration.to"
    assert "must be one plain mail address" in refused.value.detail


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("default_sender_email", "Shop <orders@shop.test>"),
        ("default_sender_name", "Shop\r\nBcc: eve@x.test"),
        ("default_reply_to_email", "a@b.test,c@d.test"),
        ("api_key", "SG.key\r\nX-Other: 1"),
        ("api_url", "https://api.sendgrid.com/?x=1"),
    ],
)
def test_settings_cannot_break_out(field: str, value: str) -> None:
    """What would become something else in a header is refused by the name of its field."""
    with pytest.raises(InvalidInput) as refused:
        SendgridConfiguration.parse(GIVEN | {field: value})

    assert refused.value.pointer == f"data.configuration.{field}"
