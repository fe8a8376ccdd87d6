"""Frame decoders for devices' raw frames that no network server decoded; `registry` lists them."""
