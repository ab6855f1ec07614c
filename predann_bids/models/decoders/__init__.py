"""The built-in decoders, registered by name. Their components are in the neighbouring packages."""
