"""A whole city of simulated devices: what bins, trucks, access points and cameras would report at a virtual time."""
