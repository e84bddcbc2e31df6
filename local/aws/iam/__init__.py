"""Who may do what in the embedded AWS."""
