"""Clients of paho, and their TLS."""

import socket
import ssl
from pathlib import Path
from typing import Any, Final

from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from intuition_connector_mqtt.address import Address
from intuition_core.errors import BadParameter

CONNECT_TIMEOUT = 5.0
"""Seconds until a broker that does not answer is given up for this time."""

# X509_V_ERR_… of OpenSSL.
_EXPIRED: Final = 10
_NOT_YET_VALID: Final = 9
_OTHER_HOST: Final = {62, 64}  # by its name, by its IP address
_UNKNOWN_AUTHORITY: Final = {2, 18, 19, 20, 21, 27}


def tls_context(
    part: str, *, ca_file: str | None = None, cert_file: str | None = None, key_file: str | None = None
) -> ssl.SSLContext:
    """A context with the authorities of the system or of ``ca_file``; it shows ``cert_file`` to a broker that asks.

    Raises:
        BadParameter: of `part`, a file that cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise BadParameter(part, "ca_file", f"{ca_file}: {_why(error)}") from None
    if cert_file is not None:
        try:
            # Without a password given, OpenSSL would ask for one on the terminal, in a process that may have none.
            context.load_cert_chain(cert_file, key_file, password=lambda: b"")
        except (OSError, ValueError) as error:
            if _is_encrypted(key_file or cert_file):
                raise BadParameter(
                    part,
                    "key_file" if key_file else "cert_file",
                    f"the key in {key_file or cert_file} is encrypted, and nobody is asked for its password; name a "
                    "copy without one, readable by you alone (`openssl pkey -in KEY -out COPY`)",
                ) from None
            raise BadParameter(
                part, "cert_file", f"{cert_file} with {key_file or 'no key_file'}: {_why(error)}"
            ) from None
    return context


def make_client(
    address: Address,
    *,
    client_id: str,
    protocol: MQTTProtocolVersion,
    tls: ssl.SSLContext | None = None,
    persistent: bool = False,
) -> Client:
    """A client that connects nothing yet.

    Args:
        address: where the broker is, with the credentials for it.
        client_id: how the broker knows the client.
        protocol: MQTT 5 or 3.1.1.
        tls: what to trust; None trusts the system's certificates, where the address asks for TLS.
        persistent: keep the session when the connection ends, and let the caller acknowledge messages.
    """
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id,
        # MQTT 5 says the same at connect time, and paho refuses to be told here.
        clean_session=None if protocol == MQTTv5 else not persistent,
        protocol=protocol,
        manual_ack=persistent,
    )
    client.connect_timeout = CONNECT_TIMEOUT
    # With any other limit paho looks through all unacknowledged messages again at each acknowledgement.
    client.max_inflight_messages_set(0)
    client.on_socket_open = _send_at_once
    if address.username is not None or address.password is not None:
        client.username_pw_set(address.username or "", address.password)
    if address.tls:
        client.tls_set_context(tls or ssl.create_default_context())
    return client


def certificate_problem(error: ssl.SSLCertVerificationError, *, authority: str) -> str:
    """The problem with a broker's certificate, and its remedy.

    Args:
        error: what OpenSSL found.
        authority: how an authority is named here: a parameter or a flag.
    """
    found = error.verify_message
    if error.verify_code == _EXPIRED:
        return f"its certificate has expired ({found}): the broker needs a new one"
    if error.verify_code == _NOT_YET_VALID:
        return f"its certificate is not valid yet ({found}): is the clock of this machine right?"
    if error.verify_code in _OTHER_HOST:
        return f"its certificate is for another host ({found}): name the broker by a name that its certificate has"
    if error.verify_code in _UNKNOWN_AUTHORITY:
        return f"its certificate cannot be trusted ({found}); name its authority {authority}"
    return f"its certificate cannot be trusted ({found})"


def protocol_name(protocol: MQTTProtocolVersion) -> str:
    """The name of a protocol, such as `MQTT 5`."""
    return {MQTTv5: "MQTT 5", MQTTv311: "MQTT 3.1.1"}.get(protocol, "MQTT")


def _send_at_once(_client: Client, _userdata: Any, sock: Any) -> None:
    # Otherwise an acknowledgement waits 40 ms for company.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _is_encrypted(path: str) -> bool:
    try:
        return b"ENCRYPTED" in Path(path).read_bytes()
    except OSError:
        return False
