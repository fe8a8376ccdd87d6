"""paho's client over a socket with a read buffer: one system call per batch of messages, not four per message."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode

READ_BYTES: Final = 65_536


class ReadAheadSocket:
    """Wraps a connected socket with a read buffer; `pending` returns its size, like that of a TLS socket."""

    def __init__(self, wrapped: Any) -> None:  # noqa: ANN401 - a socket, a TLS socket, or paho's own for websockets
        self._wrapped = wrapped
        self._buffer = memoryview(b"")

    def recv(self, size: int) -> bytes:
        """At most `size` bytes, from the buffer first; empty when the peer has closed."""
        if not self._buffer:
            self._buffer = memoryview(self._wrapped.recv(max(size, READ_BYTES)))
        chunk = bytes(self._buffer[:size])
        self._buffer = self._buffer[size:]
        return chunk

    def pending(self) -> int:
        """Bytes that `recv` returns without waiting."""
        inner = self._wrapped.pending() if hasattr(self._wrapped, "pending") else 0
        return len(self._buffer) + int(inner)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a socket has
        """Delegate everything else to the socket."""
        return getattr(self._wrapped, name)


class ReadAheadClient(Client):
    """paho's client; use `serve` instead of its own loops."""

    _reads_ahead: ReadAheadSocket | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - paho's own
        super().__init__(*args, **kwargs)
        self._writing = threading.RLock()

    def _packet_write(self) -> MQTTErrorCode:
        # paho writes from whatever thread publishes. Two threads would mix the rest of one packet, which the socket did
        # not take at once, with the beginning of the next.
        with self._writing:
            return super()._packet_write()

    def _create_socket(self) -> Any:  # noqa: ANN401 - paho's own name for it, SocketLike, is private
        self._reads_ahead = ReadAheadSocket(super()._create_socket())
        return self._reads_ahead

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        # paho's own leaves the socket open when the broker's certificate is refused.
        context = self._ssl_context
        assert context is not None  # noqa: S101 - paho asks for this with one only
        wrapped = context.wrap_socket(tcp_sock, server_hostname=self._host, do_handshake_on_connect=False)
        try:
            wrapped.settimeout(self.connect_timeout)
            wrapped.do_handshake()
        except OSError:
            wrapped.close()
            raise
        return wrapped

    def _handle_on_message(self, message: MQTTMessage) -> None:
        # There is one callback for all messages; paho would look for others along the topic of each.
        with self._in_callback_mutex:
            if self.on_message:
                self.on_message(self, self._userdata, message)

    def serve(self, timeout_s: float) -> MQTTErrorCode:
        """Wait for network activity and handle it; an error code means that the connection is gone."""
        code = self.loop(timeout_s)
        while code == MQTTErrorCode.MQTT_ERR_SUCCESS and self._reads_ahead is not None and self._reads_ahead.pending():
            code = self.loop_read()
        return code

    def hang_up(self) -> None:
        """Close the socket without DISCONNECT."""
        self._sock_close()
