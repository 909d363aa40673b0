"""The steps as Kubeflow components: thin, one file each; the work is in `components/STEP.py`."""
