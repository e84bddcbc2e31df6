"""The domain: one module per service. Services know neither AWS nor threads nor each other."""
