"""The steps, one file each. Steps import `voco_model`; nothing here imports `pipelines`."""
