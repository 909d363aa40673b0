"""How every component is declared: the image is set by the pipeline, and nothing is installed at run time."""

import functools

from kfp import dsl

PLACEHOLDER = "python:3.11"
"""Replaced for every task when a pipeline is compiled."""

component = functools.partial(dsl.component, base_image=PLACEHOLDER, install_kfp_package=False)
