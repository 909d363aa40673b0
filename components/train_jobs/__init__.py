"""Training on several nodes: a recipe as a TrainJob of Kubeflow Trainer, submitted, watched, ended."""
