"""Development tools: the whole system on one machine, its demo, its faults and its costs."""
