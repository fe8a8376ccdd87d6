"""From a message to records: pure, without network, store or log."""
