"""The processes of the main job, each on a port of its own, all ended when the test is over."""

from support.nodejs import node_modules
from support.processes import broker, free, intuition, listen, mosquitto, port, serve, start

__all__ = ["broker", "free", "intuition", "listen", "mosquitto", "node_modules", "port", "serve", "start"]
