"""Parameters of parts: what people type, read as the types that a part's ``Params`` declare."""
