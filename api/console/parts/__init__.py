"""Parts of its pages."""
