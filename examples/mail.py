"""Mail by SMTP: sent again while the mail server is away or busy, failed at once when it says no."""

import smtplib
from email.message import EmailMessage
from typing import Annotated

from flask import current_app
from pydantic import Field

from celeriac import current_job, job

Address = Annotated[str, Field(pattern=r"^[^@\s,<>]+@[^@\s,<>]+$", max_length=254)]
Line = Annotated[str, Field(pattern=r"^[^\r\n]+$", max_length=200)]


class Refused(Exception):
    """The mail server will not take this mail, however often it is asked."""


@job(
    queue="io",  # it mostly waits for the mail server
    autoretry_for=(OSError,),  # smtplib's errors, too
    dont_autoretry_for=(Refused,),
    max_retries=8,
    retry_backoff=2,  # 2, 4, 8 … seconds, each shortened at random so that waiting mails do not come all at once
    retry_backoff_max=600,
)
def send_mail(to: Address, subject: Line, text: str) -> str:
    """Send a mail; return its Message-ID."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = current_app.config["MAIL_SENDER"], to, subject
    # of every attempt the same: a mail that arrives twice, because a worker died after sending, is known as one
    message["Message-ID"] = f"<{current_job.idempotency_key}@celeriac.example>"
    message.set_content(text)
    try:
        with _server() as server:
            server.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        _give_up_if_final(*next(iter(error.recipients.values())))
        raise
    except smtplib.SMTPResponseException as error:
        _give_up_if_final(error.smtp_code, error.smtp_error)
        raise
    return str(message["Message-ID"])


def _server() -> smtplib.SMTP:
    """Return a connection as MAIL_SERVER, MAIL_PORT, MAIL_USE_TLS, MAIL_USERNAME and MAIL_PASSWORD say."""
    config = current_app.config
    server = smtplib.SMTP(config["MAIL_SERVER"], config["MAIL_PORT"], timeout=30)
    if config.get("MAIL_USE_TLS"):
        server.starttls()
    if config.get("MAIL_USERNAME"):
        server.login(config["MAIL_USERNAME"], config["MAIL_PASSWORD"])
    return server


def _give_up_if_final(code: int, words: bytes | str) -> None:
    """Raise Refused for SMTP's 5xx; 4xx says that another try may succeed."""
    if code >= 500:
        raise Refused(f"{code} {words.decode(errors='replace') if isinstance(words, bytes) else words}")
