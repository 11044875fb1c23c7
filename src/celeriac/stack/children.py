"""Speaks the operating system's process calls: a child never outlives its parent.

Linux tells a child of its parent's death by a signal it asked for; elsewhere only the guard process (see
`guard`) does. The signal reaches the direct child alone: grandchildren are the guard's on every system.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable

PR_SET_PDEATHSIG = 1


def tied_to_parent(last: signal.Signals = signal.SIGKILL) -> Callable[[], None] | None:
    """Return a `preexec_fn` that has the child sent `last` when its parent dies, or None where it cannot be.

    Linux counts the death of the *thread* that started the child: only the main thread's children are tied.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork: the child must not import or allocate much
    parent = os.getpid()

    def tie() -> None:
        prctl(PR_SET_PDEATHSIG, int(last), 0, 0, 0)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return tie
