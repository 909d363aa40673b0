"""What the model reads: records of the real data sets, their manifest, their shards, and batches of them."""
