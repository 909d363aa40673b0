"""Kubeflow Pipelines from outside: submit, schedule, follow; through its own generated client."""
