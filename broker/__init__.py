"""The bus: its contract (`contract`), the clients (`client`), and the embedded broker (`embedded`)."""
