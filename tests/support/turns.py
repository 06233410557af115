"""Measure how long work in a thread keeps the other threads of the process waiting."""

import gc
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from probes.records import RecordError


def longest_turn(work: Callable[[], object]) -> float:
    """Seconds of CPU time that `work` took between two turns of this thread, at most.

    It runs in a thread of its own. Only one call into C code without a pause takes long: the
    interpreter switches threads every 5 ms. Time is that of the thread, so that a busy machine
    changes nothing. Collecting garbage is left out: its time depends on the whole process.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return _longest_turn(work)
    finally:
        if was_enabled:
            gc.enable()


def _longest_turn(work: Callable[[], object]) -> float:
    may_begin, ended, may_end = threading.Event(), threading.Event(), threading.Event()

    def run() -> None:
        may_begin.wait()
        with suppress(RecordError):
            work()
        ended.set()
        may_end.wait()

    thread = threading.Thread(target=run)
    thread.start()
    assert thread.ident is not None
    clock = time.pthread_getcpuclockid(thread.ident)
    longest, last = 0.0, time.clock_gettime(clock)
    may_begin.set()
    while not ended.is_set():
        now = time.clock_gettime(clock)
        longest, last = max(longest, now - last), now
        time.sleep(0)
    longest = max(longest, time.clock_gettime(clock) - last)
    may_end.set()
    thread.join()
    return longest
