"""A simulated city: what bins, trucks, access points and cameras would report at a virtual time."""
