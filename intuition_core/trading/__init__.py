"""From one event to its records: the engine, its parts, the order manager, the paper broker and the risk monitor."""
