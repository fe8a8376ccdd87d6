"""From the bus to the store: subscribe, journal, acknowledge, decode, store; dead letters and receipts."""
