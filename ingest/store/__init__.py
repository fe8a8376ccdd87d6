"""The store: `port` defines the writer and the reader; `duck`, `influx` and `memory` implement them."""
