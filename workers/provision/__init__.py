"""Creates the resources in ``topology.json`` on an emulator of AWS."""
