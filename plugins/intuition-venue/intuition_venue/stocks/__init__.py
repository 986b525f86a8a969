"""The shape of Alpaca's interface: trading and market data over REST, order updates and data over websockets."""
