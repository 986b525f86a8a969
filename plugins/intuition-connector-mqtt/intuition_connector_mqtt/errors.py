"""Refusals of brokers."""

from intuition_connector_mqtt.address import Address
from intuition_core.errors import IntuitionError


class BrokerRefused(IntuitionError):
    """A broker that does not let the connector in, for a reason that another attempt will not change."""

    def __init__(self, address: Address, problem: str) -> None:
        self.address = str(address)
        self.problem = problem
        super().__init__(f"the broker at {address} refused: {problem}")


class PublishRefused(IntuitionError):
    """A broker that does not take a publication."""

    def __init__(self, topic: str, reason: str) -> None:
        self.topic = topic
        self.reason = reason
        super().__init__(f"the broker refused what was published on {topic}: {reason}; look at its access rules")


class MessageTooLarge(IntuitionError):
    """A message that is larger than the broker takes."""

    def __init__(self, topic: str, size: int, limit: int | None) -> None:
        self.topic = topic
        self.size = size
        self.limit = limit
        most = "the broker takes less" if limit is None else f"the broker takes packets of at most {limit} bytes"
        super().__init__(f"too large for {topic}: a packet of {size} bytes; {most}")


class SubscribeRefused(IntuitionError):
    """A broker that does not grant a subscription."""

    def __init__(self, topic: str, reason: str) -> None:
        self.topic = topic
        self.reason = reason
        super().__init__(f"the broker refused to let us listen to {topic}: {reason}; look at its access rules")


class Replaced(IntuitionError):
    """A connector whose place at the backend another one has taken."""

    def __init__(self, session: str, client: str, epoch: int, current: int) -> None:
        self.session = session
        self.client = client
        self.epoch = epoch
        self.current = current
        super().__init__(
            f"another connector attached to session `{session}` as `{client}` and goes on (epoch {current}; ours was "
            f"{epoch}); a session has one connector at a time"
        )


class SessionTaken(IntuitionError):
    """A second connector that uses the same session."""

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        super().__init__(f"another connector took over as `{client_id}`; a session has one connector at a time")
