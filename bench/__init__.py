"""The receive loop measured beside its peers, on a stand-in of AWS. Start with ``README.md``."""
