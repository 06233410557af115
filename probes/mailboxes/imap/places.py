"""Places and cursors in the words of IMAP: epoch = UIDVALIDITY, id = UID (RFC 3501 §2.3.1.1)."""

from probes.mailboxes.interface import Cursor, Place

_MOST = 2**32 - 1


def place(folder: str, uid_validity: int, uid: int) -> Place:
    """Return the place of the message with this UID; UIDs ascend in the order of delivery."""
    return Place(folder, str(uid_validity), str(uid), uid)


def uid_of(place: Place) -> int:
    """Return the UID of a message."""
    return int(place.id)


def uid_validity_of(place: Place) -> int:
    """Return the UIDVALIDITY under which the UID means something."""
    return int(place.epoch)


def cursor(folder: str, uid_validity: int, last_uid: int) -> Cursor:
    """Return a cursor that says: every UID up to `last_uid` has been looked at."""
    return Cursor(folder, f"{uid_validity}:{last_uid}")


def read_cursor(cursor: Cursor) -> tuple[int, int] | None:
    """Return UIDVALIDITY and last UID; None for a text that `cursor` did not write.

    The mailbox may have been of another type when that was stored.
    """
    uid_validity, _, last_uid = cursor.text.partition(":")
    if not (_is_number(uid_validity) and _is_number(last_uid)):
        return None
    return int(uid_validity), int(last_uid)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= _MOST
