"""The two phases as ONNX graphs: one makes caches of pictures, one reads text on top of them."""

from voco_model.portable.graphs import write_graphs
from voco_model.portable.reading import OnnxReader

__all__ = ["OnnxReader", "write_graphs"]
