"""The MQTT connector: events in from topics, decisions out to topics; and the commands `publish` and `broker`."""
