"""What the bus carries (`contract`), how services reach it (`client`), and the bus itself (`embedded`)."""
