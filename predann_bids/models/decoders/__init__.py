"""The decoders: a class for each, registered by name. What they are built of lies in the folders beside."""
