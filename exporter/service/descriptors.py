"""How many descriptors (sockets and files) the process may have open at once."""

import logging
import resource
from contextlib import suppress

LOG = logging.getLogger("mailcanary")


def raise_descriptor_limit() -> int:
    """Raise the soft limit to the hard one, and log it; returns the limit in force.

    The soft limit is often 1,024 for the sake of old programs. Every session needs one.
    """
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before != hard:
        with suppress(OSError, ValueError):  # a system may refuse; the limit before stays in force
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    after, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if after == before:
        LOG.info("up to %s descriptors", _told(after))
    else:
        LOG.info("up to %s descriptors instead of %s", _told(after), _told(before))
    return after


def _told(limit: int) -> str:
    return "any number of" if limit == resource.RLIM_INFINITY else str(limit)
