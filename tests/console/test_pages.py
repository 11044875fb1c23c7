"""What a person does at the console's other pages; and what none of them may do."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from tests.console.conftest import Shop
from tests.console.person import Person
from tests.hand import Hand

pytestmark = pytest.mark.slow

PAGES = ("", "jobs", "tasks", "tasks/order", "queues", "workers", "schedules", "dead")
CANARY = "<img src=x onerror=\"document.title='caught'\"><script>document.title='caught'</script>"


def test_ann_pauses_a_queue_sees_why_a_job_waits_and_resumes_it(ann: Person, shop: Shop) -> None:
    ann.opens("queues")
    ann.presses("Pause io")
    ann.sees("paused", "[aria-label=Queues]")
    id = shop.submit("walk", steps=1)

    ann.opens(f"jobs/{id}")
    ann.sees("Queue io is paused", ".now")
    ann.opens("")
    ann.sees("Queue io is paused, and 1 job waits", ".signs")
    ann.presses("Resume io")

    ann.sees_no("Queue io is paused")
    ann.opens(f"jobs/{id}")
    ann.sees("succeeded", ".now")


def test_ann_is_told_that_nobody_listens_and_what_to_do(ann: Person, shop: Shop) -> None:
    shop.submit("post")
    ann.opens("")

    ann.sees("Nobody is listening on post", ".signs")
    ann.sees("Start a worker with -Q post", ".signs")


def test_ann_sees_the_worker_and_how_busy_it_is(ann: Person, shop: Shop) -> None:
    gate = shop.gate()
    id = shop.submit("walk", gate=gate)
    shop.reaches(id, "running")
    ann.opens("workers")

    ann.sees("shop@test", "[aria-label=Workers]")
    ann.sees("celery, io", "[aria-label=Workers]")
    ann.sees("1 of 8", "[aria-label=Workers]")
    shop.open_gate(gate)


def test_ann_sees_what_is_scheduled_and_runs_it_now(ann: Person, shop: Shop) -> None:
    ann.opens("schedules")

    ann.sees("every 5 min", "tr[data-name=sweep]")
    ann.sees("beat knows", "tr[data-name=sweep]")
    ann.sees('{"x":1,"y":2}', "tr[data-name=nightly]")
    ann.sees("in ", "tr[data-name=nightly] time")
    ann.presses("Run now: nightly")
    assert ann.field("y").get_attribute("value") == "2"
    ann.presses("Start")
    ann.sees("succeeded", ".now")


def test_ann_gives_a_worker_more_room_and_shuts_it_down(ann: Person, shop: Shop) -> None:
    extra = shop.worker("extra", "-P", "prefork", "-c", "1", "-Q", "extra")
    ann.opens("workers")
    ann.presses("Resize extra@test")
    ann.types("Size of its pool", "2")
    ann.presses("Resize", "dialog")
    ann.sees("0 of 2", "tr[data-name='extra@test']")

    ann.presses("Shut down extra@test")
    ann.sees("It runs nothing now", "dialog")
    ann.presses("Shut it down")

    ann.sees_no("extra@test", "[aria-label=Workers]")
    assert extra.process.wait(60) == 0


def test_ann_requeues_a_dead_letter(ann: Person, shop: Shop) -> None:
    id = shop.submit("add", queue="letters", x=1)
    hand = Hand(shop.app.extensions["celeriac"].context)
    hand.lose_for_good("letters")
    ann.opens("dead")
    ann.sees("worker lost")

    ann.presses("Inspect")
    ann.sees(id, "[aria-label=Message]")
    ann.presses(f"Requeue {id}")

    ann.sees("1 job queued again")
    ann.sees("No dead letters")
    ann.opens(f"jobs/{id}")
    ann.sees("queued", ".now")


def test_ann_purges_what_nobody_can_read_after_she_was_asked(ann: Person, shop: Shop) -> None:
    shop.submit("add", queue="letters2", x=1)
    hand = Hand(shop.app.extensions["celeriac"].context)
    hand.lose_for_good("letters2")
    ann.opens("dead")

    ann.presses("Purge all…")
    ann.sees("Their jobs stay lost", "dialog")
    ann.presses("Purge all")

    ann.sees("1 letter thrown away.")
    ann.sees("No dead letters")


def test_bob_signs_in_with_a_token_and_out_again(bob: Person, closed_shop: Shop) -> None:
    text = closed_shop.token("bob", "operate")
    bob.opens("queues")
    bob.types("Token", "clr_wrong")
    bob.presses("Sign in")
    bob.finds("[role=alert]")

    bob.types("Token", text)
    bob.presses("Sign in")
    bob.sees("Who listens")
    assert text not in bob.browser.page_source
    assert bob.browser.execute_script("return document.cookie") == ""
    assert bob.place == "queues"

    bob.presses("Sign out bob")
    bob.finds("#token")
    bob.opens("jobs")
    bob.finds("#token")


def test_bob_who_may_read_is_shown_no_door_that_is_closed_to_him(bob: Person, closed_shop: Shop) -> None:
    text = closed_shop.token("bob", "read", "submit")
    bob.opens("")
    bob.types("Token", text)
    bob.presses("Sign in")

    bob.sees("New job", "nav")
    assert "Queues" not in bob.reads("nav")
    bob.until(lambda: bob.place == "jobs", "the jobs instead of the overview")


def test_carl_opens_a_signed_link_and_sees_that_one_job(bob: Person, shop: Shop) -> None:
    id = shop.submit("add", x=2, y=3)
    link = shop.web("POST", f"/api/jobs/{id}/links", {}).json
    bob.opens(f"jobs/{id}?key={link['key']}")

    bob.sees("succeeded", ".now")
    bob.sees("5", "[aria-label=Result]")
    assert "Retry" not in bob.reads("main")
    bob.opens("jobs")
    bob.finds("#token")


def test_markup_in_every_field_is_shown_as_text(ann: Person, shop: Shop) -> None:
    told, failed = shop.submit("echo", text=CANARY), shop.submit("echo", text=CANARY, fail=True)
    shop.reaches(told, "succeeded")
    shop.reaches(failed, "failed")

    ann.opens(f"jobs/{told}")
    ann.sees(CANARY, ".lines")
    for place in ("[aria-label=Arguments]", "[aria-label=Result]"):
        ann.sees("<img src=x", place)
    ann.opens(f"jobs/{failed}")
    ann.sees(CANARY, ".failure")
    for path in (f"jobs/{CANARY}", f"tasks/{CANARY}", f"jobs?q={CANARY}&task={CANARY}&queue={CANARY}", f"{CANARY}"):
        ann.opens(path.replace("<", "%3C").replace(">", "%3E").replace('"', "%22"))
        ann.finds("h1")
    Hand(shop.app.extensions["celeriac"].context).listen(CANARY, name=CANARY)
    for path in ("jobs?task=echo", "jobs?q=img", "workers", "queues", ""):
        ann.opens(path)
        ann.sees("<img src=x", "main")
    assert "caught" not in ann.browser.title
    assert not ann.browser.execute_script("return document.querySelectorAll('#console script, #console img').length")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_barrier(ann: Person, shop: Shop, scheme: str) -> None:
    job, failed = shop.submit("talk", lines=10), shop.submit("divide", x=1, by=0)
    shop.reaches(failed, "failed")
    feature = {"name": "prefers-color-scheme", "value": scheme}
    ann.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    for path in (*PAGES, f"jobs/{job}", f"jobs/{failed}", "nowhere"):
        ann.opens(path)
        ann.finds("h1")
        ann.sees_no("Loading…")
        ann.finds_nothing_serious()
    ann.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_on_a_phone_no_page_is_wider_than_the_screen(ann: Person, shop: Shop) -> None:
    failed = shop.submit("divide", x=1, by=0)
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    ann.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for path in (*PAGES, f"jobs/{failed}"):
        ann.opens(path)
        ann.finds("h1")
        ann.sees_no("Loading…")
        assert ann.browser.execute_script("return document.documentElement.scrollWidth") <= 390, path
    ann.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_ann_walks_the_console_by_keyboard(ann: Person) -> None:
    ann.opens("queues")
    ann.finds("h1")
    ann.strikes(Keys.TAB)
    assert ann.browser.switch_to.active_element.text == "Skip to the page"

    ann.finds("nav a", "Jobs").send_keys(Keys.ENTER)
    ann.sees("Jobs", "h1")
    ann.strikes("/")
    assert ann.browser.switch_to.active_element == ann.finds("#search")


def test_the_address_at_the_root_leads_to_the_console(ann: Person, shop: Shop) -> None:
    ann.browser.get(shop.url)

    ann.until(lambda: "/console/" in ann.browser.current_url, "the console")
