"""A letter as mail is written: headers that nothing can break out of, and parts in MIME."""

from __future__ import annotations

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from uuid import UUID

from .mail import Letter

# Seven bits pass through every server, and no line is longer than mail allows.
_POLICY = SMTP.clone(cte_type="7bit")


def mail_of(
    letter: Letter, *, sender: str, sender_name: str | None, domain: str, delivery_id: UUID, now: datetime
) -> EmailMessage:
    """Write a letter down; the same delivery has the same Message-ID over all attempts."""
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = Address(display_name=sender_name or "", addr_spec=sender)
    mail["To"] = Address(addr_spec=letter.to)
    mail["Subject"] = letter.subject
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{delivery_id}@{domain}>"
    # RFC 3834: nobody's holiday reply is wanted.
    mail["Auto-Submitted"] = "auto-generated"
    parts = [(kind, text) for kind, text in (("plain", letter.text), ("html", letter.html)) if text.strip()]
    mail.set_content(parts[0][1], subtype=parts[0][0])
    for kind, text in parts[1:]:
        mail.add_alternative(text, subtype=kind)
        mail.set_boundary(f"=_{delivery_id}")
    return mail


def readable(mail: EmailMessage) -> str:
    """Show what a mail says, before it is encoded for the wire."""
    parts = [(part.get_content_type(), part.get_content().removesuffix("\n")) for part in mail.walk() if _says(part)]
    if len(parts) == 1:
        return str(parts[0][1])
    return "\n\n".join(f"[{kind}]\n{text}" for kind, text in parts)


def _says(part: object) -> bool:
    return isinstance(part, EmailMessage) and not part.is_multipart()
