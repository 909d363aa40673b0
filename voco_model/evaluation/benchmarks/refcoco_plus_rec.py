"""RefCOCO+: the box of an expression; its files are RefCOCO's with other expressions."""

from voco_model.evaluation.benchmarks.refcoco_rec import RefCocoRec

BENCHMARK = RefCocoRec("RefCOCO+")
