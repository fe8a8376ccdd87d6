"""The deposit detector: pictures in order of time go in, what was put down and left comes out."""
