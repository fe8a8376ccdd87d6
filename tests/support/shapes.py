"""Hypothesis strategies for messages: any JSON, and JSON with the keys of a format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def shaped_like(keys: Sequence[str]) -> st.SearchStrategy[Any]:
    """JSON whose objects and lists nest, with some of these keys."""
    return st.recursive(
        json_values,
        lambda inner: st.dictionaries(st.sampled_from(keys), inner, max_size=5) | st.lists(inner, max_size=3),
        max_leaves=10,
    )
