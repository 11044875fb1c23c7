"""Who is looking: one reader per process, many watchers. Speaks to the store's connection that hears of jobs.

1. A request that waits for a job asks `Watch.until`, with a question that is asked again whenever there is news.
2. One thread hears for all of them. News only wakes; what is true is looked up, and a slow look is the net under it.
"""

from celeriac.watch.watch import Watch

__all__ = ["Watch"]
