"""One HTTP connection to the recorder, kept open. Used by one thread at a time."""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.request
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ._version import VERSION

#: Bytes of an answer that are read.
ANSWER_BYTES_MAX = 4 * 1024 * 1024


class Unreachable(Exception):
    """Nobody answered."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    retry_after: str | None


class Transport:
    """Posts bodies below one address."""

    def __init__(self, url: str, api_key: str | None, timeout: float) -> None:
        self._given = (url, api_key, timeout)
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or (443 if self._secure else 80)
        self._prefix = parts.path.rstrip("/")
        self._timeout = timeout
        self._headers = {
            "User-Agent": f"exhibit-python/{VERSION}",
            "Accept": "application/json",
            "Content-Type": "application/json",
        }
        if api_key:
            # A key with line breaks or letters outside Latin-1 would break the request.
            key = "".join(c for c in api_key if 32 < ord(c) < 127)
            self._headers["Authorization"] = f"Bearer {key}"
        self._connection: http.client.HTTPConnection | None = None

    def post(self, path: str, body: bytes, encoding: str | None, timeout: float | None = None) -> Answer:
        """Raises [`Unreachable`]; every status is an answer."""
        headers = dict(self._headers)
        if encoding:
            headers["Content-Encoding"] = encoding
        fresh = self._connection is None
        while True:
            try:
                return self._once(path, body, headers, timeout or self._timeout)
            except (http.client.HTTPException, OSError, ValueError) as error:
                self.close()
                # A kept connection may have been closed meanwhile; spans are the same when sent twice.
                stale = isinstance(error, (http.client.HTTPException, ConnectionError))
                if fresh or not stale:
                    raise Unreachable(f"{type(error).__name__}: {error}") from error
                fresh = True

    def _once(self, path: str, body: bytes, headers: dict[str, str], timeout: float) -> Answer:
        if self._connection is None:
            self._connection = self._connect(timeout)
        connection = self._connection
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        connection.request("POST", self._prefix + path, body, headers)
        response = connection.getresponse()
        data = response.read(ANSWER_BYTES_MAX)
        if not response.isclosed() or response.will_close:
            self.close()
        return Answer(response.status, data, response.getheader("Retry-After"))

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        host, port = self._host, self._port
        proxy = None
        if not urllib.request.proxy_bypass(host):
            proxy = urllib.request.getproxies().get("https" if self._secure else "http")
        via = urlsplit(proxy if "://" in proxy else f"http://{proxy}") if proxy else None
        if via is not None and via.hostname and host not in ("127.0.0.1", "localhost", "::1"):
            host, port = via.hostname, via.port or 80
        else:
            via = None
        connection: http.client.HTTPConnection
        if self._secure:
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=timeout)
        if via is not None:
            headers = {}
            if via.username:
                words = f"{unquote(via.username)}:{unquote(via.password or '')}"
                import base64

                headers["Proxy-Authorization"] = "Basic " + base64.b64encode(words.encode()).decode()
            connection.set_tunnel(self._host, self._port, headers)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def another(self) -> Transport:
        """One like it, for another thread."""
        return Transport(*self._given)

    def close(self) -> None:
        """Closes the connection; the next post opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except Exception:
                pass

    def forget(self) -> None:
        """Lets go of a connection that belongs to the parent process, without ending it there."""
        self._connection = None
