"""A UDP socket that is drained in batches, and what the kernel dropped because nobody was quick enough."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import selectors
import socket
import struct
import sys
from types import TracebackType
from typing import Any, Self

from sonify.errors import ReaderError

__all__ = ["MAX_PACKETS", "UdpListener", "shown_address"]

MAX_PACKETS = 512  # of one batch
_SLOT_BYTES = 65536  # no UDP packet is longer
_WAIT_S = 0.1  # so that a stop is noticed
_BUFFER_BYTES = 8 * 1024 * 1024  # asked of the kernel; at 100,000 packets/s about 0.1 s
_SO_MEMINFO, _MEMINFO = 55, struct.Struct("9I")  # linux/sock_diag.h; the last is the number of drops
_MSG_WAITFORONE = 0x10000


def shown_address(address: tuple[str, int]) -> str:
    """Write ``HOST:PORT``, an IPv6 host in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class UdpListener:
    """Receive packets, used as a context manager.

    On 64-bit Linux up to `MAX_PACKETS` packets come with one system call (``recvmmsg``): besides being twice as fast it
    gives the interpreter's lock up once a batch instead of once a packet, so that other busy threads do not cost
    packets. Elsewhere they are read one by one until none is left.

    Parameters
    ----------
    address : (str, int)
        Host and port to listen on; port 0 takes a free one.
    batched : bool
        Whether to use ``recvmmsg`` where it is there.

    Raises
    ------
    ReaderError
        No such address, or it is in use.
    """

    def __init__(self, address: tuple[str, int], *, batched: bool = True) -> None:
        try:
            family, kind, protocol, _, found = socket.getaddrinfo(
                *address, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
            )[0]
            self._socket = socket.socket(family, kind, protocol)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ReaderError(f"cannot listen on {shown_address(address)}: {reason}") from None
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            self._socket.bind(found)
        except OSError as error:
            self._socket.close()
            raise ReaderError(f"cannot listen on {shown_address(address)}: {error.strerror or error}") from None
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._batch = _Batch(self._socket) if batched and _Batch.is_there() else None
        if self._batch is None:
            self._socket.setblocking(False)
            self._selector = selectors.DefaultSelector()
            self._selector.register(self._socket, selectors.EVENT_READ)
            self._buffer = memoryview(bytearray(_SLOT_BYTES))

    def receive(self) -> list[bytes]:
        """Wait for packets, at most a tenth of a second, and return those that are there; OSError where that fails."""
        return self._one_by_one() if self._batch is None else self._batch.receive()

    def _one_by_one(self) -> list[bytes]:
        packets: list[bytes] = []
        if not self._selector.select(_WAIT_S):
            return packets
        receive_into, buffer = self._socket.recv_into, self._buffer
        try:
            while len(packets) < MAX_PACKETS:
                packets.append(bytes(buffer[: receive_into(buffer)]))
        except (BlockingIOError, InterruptedError, ConnectionResetError):
            pass  # the last: Windows reports that a peer of this socket is gone
        return packets

    def dropped(self) -> int | None:
        """Count the packets that the kernel dropped because the buffer was full; None where it does not say."""
        if not sys.platform.startswith("linux"):
            return None
        try:
            info = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
            return int(_MEMINFO.unpack(info)[-1])
        except (OSError, struct.error):
            return None

    def close(self) -> None:
        """Close the socket."""
        if self._batch is None:
            self._selector.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _IoVector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _MessageHeader(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_IoVector)),
        ("num_vectors", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    _fields_ = (("header", _MessageHeader), ("length", ctypes.c_uint32))


class _Batch:
    """``recvmmsg(2)``, which Python does not wrap."""

    @staticmethod
    def is_there() -> bool:
        return sys.platform.startswith("linux") and sys.maxsize > 2**32 and hasattr(ctypes.CDLL(None), "recvmmsg")

    def __init__(self, sock: socket.socket) -> None:
        seconds = int(_WAIT_S)
        timeout = struct.pack("ll", seconds, round((_WAIT_S - seconds) * 1e6))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        self._number = sock.fileno()
        library: Any = ctypes.CDLL(None, use_errno=True)
        self._receive = library.recvmmsg
        # pages that no packet touched take no memory
        self._slots = mmap.mmap(-1, MAX_PACKETS * _SLOT_BYTES)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._slots))
        self._vectors = (_IoVector * MAX_PACKETS)()
        memory = bytearray(MAX_PACKETS * ctypes.sizeof(_Message))
        self._messages = (_Message * MAX_PACKETS).from_buffer(memory)
        for index in range(MAX_PACKETS):
            self._vectors[index].base = base + index * _SLOT_BYTES
            self._vectors[index].length = _SLOT_BYTES
            self._messages[index].header.vectors = ctypes.pointer(self._vectors[index])
            self._messages[index].header.num_vectors = 1
        words = memoryview(memory).cast("I")
        self._lengths = words[_Message.length.offset // 4 :: ctypes.sizeof(_Message) // 4]

    def receive(self) -> list[bytes]:
        """Read as `UdpListener.receive`."""
        count = self._receive(self._number, self._messages, MAX_PACKETS, _MSG_WAITFORONE, None)
        if count < 0:
            number = ctypes.get_errno()
            if number in (errno.EAGAIN, errno.EINTR):
                return []
            raise OSError(number, os.strerror(number))
        slots = self._slots
        begins = range(0, count * _SLOT_BYTES, _SLOT_BYTES)
        return [slots[begin : begin + length] for begin, length in zip(begins, self._lengths[:count], strict=True)]
