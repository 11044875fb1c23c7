"""Mail, thumbnails and a payment: what the examples promise when servers fail, refuse, or lose their answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from PIL import Image

from tests.examples.conftest import Do
from tests.examples.services import Ledger, Mailbox


def test_a_mail_arrives(do: Do, mailbox: Mailbox) -> None:
    job = do("send_mail", to="ada@example.org", subject="Grüße", text="Hello Ada.\n")

    [mail] = mailbox.mails
    assert (mail["From"], mail["To"], mail["Subject"]) == ("shop@localhost", "ada@example.org", "Grüße")
    assert mail.get_content().strip() == "Hello Ada."
    assert job["result"] == mail["Message-ID"].strip()


def test_a_busy_mail_server_is_asked_again(do: Do, mailbox: Mailbox) -> None:
    mailbox.answers = ["451 Try again later"]

    job = do("send_mail", to="ada@example.org", subject="Again", text="Hello")

    assert (job["state"], job["attempt"], len(mailbox.mails)) == ("succeeded", 2, 1)


def test_a_mail_that_is_refused_fails_at_once(do: Do, mailbox: Mailbox) -> None:
    mailbox.answers = ["550 No such user"]

    job = do("send_mail", to="nobody@example.org", subject="Hello", text="Hello")

    assert (job["state"], mailbox.asked) == ("failed", 1)
    assert "550 No such user" in job["error"]["message"]


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"to": "ada"}, "/to"),
        ({"to": "ada@example.org, bob@example.org"}, "/to"),
        ({"subject": "Hello\nBcc: everybody@example.org"}, "/subject"),
    ],
)
def test_no_mail_with_a_wrong_head_is_queued(shop: Flask, given: dict[str, str], wrong: str) -> None:
    mail = {"to": "ada@example.org", "subject": "Hello", "text": "Hello", **given}

    answer = shop.test_client().post("/api/tasks/send_mail", json=mail)

    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, wrong)


def test_thumbnails_keep_the_shape_of_the_picture(do: Do, images: Path) -> None:
    Image.new("RGB", (1200, 600), "green").save(images / "lawn.jpg")

    for _ in range(2):  # the second time changes nothing
        job = do("make_thumbnails", image="lawn.jpg", sizes=[64, 300])

        assert job["result"] == ["lawn-64.webp", "lawn-300.webp"]
        assert sorted(path.name for path in images.iterdir()) == ["lawn-300.webp", "lawn-64.webp", "lawn.jpg"]
    assert [Image.open(images / name).size for name in job["result"]] == [(64, 32), (300, 150)]


@pytest.mark.parametrize("image", ["../secret.png", "/etc/passwd", "none.png", "words.png"])
def test_what_is_no_picture_of_the_folder_is_a_failure(do: Do, images: Path, image: str) -> None:
    (images / "words.png").write_text("not a picture")

    assert do("make_thumbnails", image=image)["state"] == "failed"


def test_a_charge_returns_its_receipt(do: Do, ledger: Ledger) -> None:
    assert do("charge", order="A1", cents=500)["result"] == {"receipt": 1, "order": "A1", "cents": 500}


def test_a_service_that_is_away_is_asked_again_and_charges_once(do: Do, ledger: Ledger) -> None:
    ledger.faults = [503, "lost"]  # the second time it charges, and its answer does not arrive

    job = do("charge", order="A2", cents=500)

    assert (job["state"], job["attempt"], job["result"]["receipt"]) == ("succeeded", 3, 1)
    assert len(ledger.keys) == 3
    assert len(set(ledger.keys)) == len(ledger.charges) == 1


def test_an_answer_that_is_no_is_final(do: Do, ledger: Ledger) -> None:
    ledger.faults = [402]

    job = do("charge", order="A3", cents=500)

    assert (job["state"], job["error"]["type"], len(ledger.keys)) == ("failed", "Declined", 1)


def test_a_charge_that_is_retried_by_hand_is_the_same_unless_it_was_edited(do: Do, shop: Flask, ledger: Ledger) -> None:
    ledger.faults = [402, 402]
    id = do("charge", order="A4", cents=500)["id"]
    client = shop.test_client()

    def retry(body: dict[str, object]) -> None:
        assert client.post(f"/api/jobs/{id}/retry", json=body).status_code == 202
        client.get(f"/api/jobs/{id}", headers={"Prefer": "wait=30"})

    retry({})
    retry({"arguments": {"order": "A4", "cents": 400}})

    first, second, edited = ledger.keys
    assert first == second != edited
