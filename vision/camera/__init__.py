"""One camera: detection, reporting, visibility, cases."""
