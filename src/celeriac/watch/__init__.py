"""Who is looking: one reader per process, many watchers. Speaks to the store's connection that hears of jobs.

1. A request that waits for a job asks `Watch.until`, with a question that is asked again whenever there is news.
2. A request that watches jobs takes a `Stream` from `Watch.stream` and sends what comes out of it; `Watch.begin` gives
   it what happened since it was left, the `reader` what happens from then on.
3. One thread hears and reads for all of them. News only wakes; what is true is looked up by number, and a slow look is
   the net under it.
4. `event` says what is told and how it looks on the wire, `position` what the id of an event means.
5. `follow` watches one job without a server, for the command line.
"""

from celeriac.watch.feed import Wish
from celeriac.watch.line import Line
from celeriac.watch.stream import Stream
from celeriac.watch.watch import Watch

__all__ = ["Line", "Stream", "Watch", "Wish"]
