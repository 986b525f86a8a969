"""Where to listen and where to connect: ``tcp://HOST:PORT``, and nothing else."""

from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from intuition_core.errors import IntuitionError


class BadAddress(IntuitionError):
    """An address that cannot be listened on or connected to."""

    def __init__(self, address: str, problem: str) -> None:
        self.address = address
        self.problem = problem
        super().__init__(f"`{address}`: {problem}; an address looks like tcp://127.0.0.1:4242 (--addr)")


class AddressTaken(IntuitionError):
    """An address that another program already listens on."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(
            f"another program already listens on {address}: stop it, or choose another address with "
            "--addr tcp://127.0.0.1:PORT (port 0 takes any free one)"
        )


class Exposed(IntuitionError):
    """An address that the whole network could reach, without keys that would keep strangers out."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(
            f"{address} can be reached from other machines, and anybody there could trade: "
            "give the server a key and its clients theirs (`intuition keys new`, [rpc] key and clients), listen on "
            "tcp://127.0.0.1:PORT, or insist with --insecure if the network is yours alone"
        )


class Address(NamedTuple):
    """A parsed address. ``port`` is 0 where any free one will do."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only programs of this machine can reach it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def ipv6(self) -> bool:
        """Whether the host is an IPv6 address."""
        return ":" in self.host

    @property
    def endpoint(self) -> str:
        """The address as ZeroMQ reads it."""
        host = "127.0.0.1" if self.host == "localhost" else f"[{self.host}]" if self.ipv6 else self.host
        return f"tcp://{host}:{self.port}"


def parse(address: str, *, listening: bool = False) -> Address:
    """Read an address.

    Args:
        address: ``tcp://HOST:PORT``.
        listening: admit ``*`` as the host (every interface) and ``0`` or ``*`` as the port (any free one).

    Raises:
        BadAddress: it is no such address.
    """
    if not address.startswith("tcp://"):
        raise BadAddress(address, "expected it to start with tcp://")
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    if not host or not port:
        raise BadAddress(address, "expected a host and a port")
    if listening and port == "*":
        port = "0"
    try:
        parts = urlsplit(f"tcp://{host}:{port}")
        number, name = parts.port, parts.hostname
    except ValueError as error:
        problem = "the port must be a number up to 65535" if "ort " in str(error) else str(error)
        raise BadAddress(address, problem) from None
    if number is None or name is None or parts.path or parts.query or parts.fragment or parts.username is not None:
        raise BadAddress(address, "expected a host and a port, and nothing else")
    if not listening and (number == 0 or name == "*"):
        raise BadAddress(address, "expected one host and one port to connect to")
    return Address(name, number)
