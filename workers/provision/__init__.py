"""Creates the resources of the topology on an emulator."""
