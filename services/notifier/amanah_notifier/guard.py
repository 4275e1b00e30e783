"""Keeps a webhook address from reaching into our own network (server-side request forgery).

A name is resolved once, every address it gives must be a global one, and the connection is made to the very address that
was checked, so that a name that changes between check and use gains nothing. TLS still names and verifies the host.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import httpcore


class Forbidden(Exception):
    """The address is not one that a notice may be sent to."""


_ALLOCATED_V6 = ipaddress.ip_network("2000::/3")
"""The only part of IPv6 given out for global unicast. NAT64, IPv4-compatible and site-local addresses lie outside it."""
_HIDES_V4 = (ipaddress.ip_network("2002::/16"), ipaddress.ip_network("2001::/32"))
"""6to4 and Teredo: inside, but they carry an IPv4 address."""


def is_allowed(text: str) -> bool:
    """Whether an IP address is a global unicast one, also behind the notations that hide an IPv4 address in IPv6."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif address not in _ALLOCATED_V6 or any(address in network for network in _HIDES_V4):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects only to global addresses."""

    def __init__(self, allow_local: bool) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._allow_local = allow_local

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        if self._allow_local:
            return await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        addresses = await resolve(host, port)
        if not addresses or not all(map(is_allowed, addresses)):
            raise Forbidden("the address is not global")
        return await self._inner.connect_tcp(addresses[0], port, timeout, local_address, socket_options)


async def resolve(host: str, port: int) -> list[str]:
    """Every address of a host, in the resolver's order. Decimal and octal notations are resolved as any program would, and
    then judged by the address that they really mean."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as unknown:
        raise httpcore.ConnectError("the host name does not resolve") from unknown
    return [str(entry[4][0]) for entry in found]
