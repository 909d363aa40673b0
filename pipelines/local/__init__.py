"""A pipeline on this machine: KFP's own local runner in a process of its own, watched and summed up."""
