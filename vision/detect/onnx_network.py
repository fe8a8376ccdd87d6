"""A network in ONNX's format, run by ONNX Runtime on one core.

Beside OpenCV's own engine it takes a third of the time for the same outputs (docs/vision.md).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

from city.errors import ConfigError
from vision.detect.model_outputs import Output

_ERRORS_ONLY: Final = 3
"""ONNX Runtime's number of that level: below it warns of what does no harm, hundreds of lines a model."""

_CODES: Final = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")


class OnnxNetwork:
    """Owns one session; may be used by several threads at once."""

    def __init__(self, path: Path) -> None:
        """Load a network with one input.

        Raises:
            ConfigError: There is none, ONNX Runtime cannot read it, or it has several inputs.
        """
        self._path = path
        if not path.is_file():
            raise ConfigError(f"{path.name}: there is no such file")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # the other cores have cameras of their own
        options.enable_cpu_mem_arena = False  # it would keep the largest picture's memory
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as exc:  # its errors have no base in common
            raise ConfigError(f"{path.name}: ONNX Runtime cannot read this model: {self._words(exc)}") from exc
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise ConfigError(f"{path.name}: the model has {len(inputs)} inputs, not one picture")
        self._input = inputs[0].name

    def run(self, blob: Output) -> list[Output]:
        """The outputs for an input, (1, 3, height, width) float32.

        Raises:
            ConfigError: ONNX Runtime cannot run it on this input.
        """
        try:
            return [np.asarray(output, np.float32) for output in self._session.run(None, {self._input: blob})]
        except Exception as exc:  # as above
            raise ConfigError(f"{self._path.name}: ONNX Runtime cannot run this model: {self._words(exc)}") from exc

    def _words(self, exc: Exception) -> str:
        """What ONNX Runtime says, without codes and without the folder: pages show it."""
        words = _CODES.sub("", str(exc)).replace(str(self._path), self._path.name)
        return words.removeprefix(f"Load model from {self._path.name} failed:").strip()
