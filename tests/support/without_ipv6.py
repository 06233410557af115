"""Runs a module in a process that the system gives no IPv6 sockets, as a hardened unit does.

    python -m tests.support.without_ipv6 MODULE

A seccomp filter answers socket(AF_INET6, ...) by EAFNOSUPPORT. `RestrictAddressFamilies=` of
systemd does the same.
"""

import ctypes
import errno
import platform
import runpy
import struct
import sys

_SOCKET = {"x86_64": 41, "aarch64": 198}
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_AF_INET6 = 10
_NO_NEW_PRIVS, _SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def is_possible() -> bool:
    """True on the machines whose system call numbers are known here."""
    return sys.platform == "linux" and platform.machine() in _SOCKET


def deny_ipv6() -> None:
    """Install the filter in this process, for good. Raises OSError."""
    machine = platform.machine()
    steps = [
        (_LOAD, 0, 0, 4),  # the architecture
        (_JUMP_IF_EQUAL, 0, 5, _ARCHITECTURE[machine]),
        (_LOAD, 0, 0, 0),  # the number of the system call
        (_JUMP_IF_EQUAL, 0, 3, _SOCKET[machine]),
        (_LOAD, 0, 0, 16),  # its first argument
        (_JUMP_IF_EQUAL, 0, 1, _AF_INET6),
        (_RETURN, 0, 0, _ERRNO | errno.EAFNOSUPPORT),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code)
    program = _Program(len(steps), ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((_NO_NEW_PRIVS, 1, 0, 0, 0), (_SET_SECCOMP, _MODE_FILTER, program, 0, 0)):
        option, first, *rest = arguments
        value = ctypes.byref(first) if isinstance(first, _Program) else ctypes.c_ulong(first)
        second = rest[0]
        last = ctypes.byref(second) if isinstance(second, _Program) else ctypes.c_ulong(second)
        if libc.prctl(option, value, last, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "no seccomp filter can be set here")


if __name__ == "__main__":
    deny_ipv6()
    module = sys.argv.pop(1)
    runpy.run_module(module, run_name="__main__")
