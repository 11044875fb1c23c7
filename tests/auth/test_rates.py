"""A caller's requests are counted a few at a time, and never are more let through than the limit."""

from __future__ import annotations

import threading

import pytest

from celeriac.auth.rates import LARGEST, Rates
from celeriac.errors import RateLimited


class Minute:
    """The store's count of one minute, for several processes; `asked` is how often it was looked at."""

    def __init__(self) -> None:
        self.n, self.now, self.ends, self.asked = 0, 0.0, 60.0, 0
        self._lock = threading.Lock()

    def count(self, caller: str, n: int) -> tuple[int, float]:
        with self._lock:
            if self.now >= self.ends:
                self.n, self.ends = 0, self.now + 60.0
            self.n += n
            self.asked += 1
            return self.n, self.ends - self.now

    def process(self, most: int) -> Rates:
        return Rates(most, self.count, lambda: self.now)


def let_in(rates: Rates, times: int) -> int:
    """Ask so often; return how often that was allowed."""
    allowed = 0
    for _ in range(times):
        try:
            rates.ask("ann")
        except RateLimited:
            continue
        allowed += 1
    return allowed


@pytest.mark.parametrize("most", [1, 3, 99, 100, 599, 600, 5000])
def test_one_process_lets_exactly_as_many_in_as_there_may_be(most: int) -> None:
    minute = Minute()

    assert let_in(minute.process(most), most + 50) == most


def test_most_requests_do_not_look_into_the_store() -> None:
    minute = Minute()

    let_in(minute.process(600), 600)

    assert minute.asked == 100


def test_several_processes_together_never_let_more_in_and_hardly_less() -> None:
    minute = Minute()
    processes = [minute.process(600) for _ in range(4)]

    allowed = sum(let_in(process, 7) for _ in range(40) for process in processes)

    assert 600 - 4 * 6 <= allowed <= 600


def test_what_is_left_of_a_minute_is_not_good_in_the_next() -> None:
    minute = Minute()
    rates = minute.process(600)
    let_in(rates, 1)
    minute.now = 60.0

    assert let_in(rates, 700) == 600


def test_who_is_refused_hears_when_the_minute_is_over() -> None:
    minute = Minute()
    rates = minute.process(1)
    rates.ask("ann")
    minute.now = 57.5

    with pytest.raises(RateLimited) as refused:
        rates.ask("ann")
    assert refused.value.retry_after == 3


def test_without_a_limit_nobody_counts() -> None:
    minute = Minute()

    assert let_in(minute.process(0), 1000) == 1000
    assert minute.asked == 0


def test_threads_share_what_was_taken() -> None:
    minute = Minute()
    rates, allowed = minute.process(100 * LARGEST), list[int]()
    threads = [threading.Thread(target=lambda: allowed.append(let_in(rates, 500))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sum(allowed) == 100 * LARGEST
