"""What lineages answer: why one version differs from another, whether it can be made again, who saw a file."""
