"""Live prices from any feed that sends JSON over a WebSocket."""

from intuition_source_websocket.websocket import WebSocket

__all__ = ["WebSocket"]
