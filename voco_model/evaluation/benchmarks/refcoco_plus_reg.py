"""RefCOCO+: what is in a box, by CIDEr; its files are RefCOCO's with other expressions."""

from voco_model.evaluation.benchmarks.refcoco_reg import RefCocoReg

BENCHMARK = RefCocoReg("RefCOCO+")
