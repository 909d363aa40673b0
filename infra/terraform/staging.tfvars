environment = "staging"
account_id  = "123456789012"

gpu_nodes = {
  a100-spot = { gpu = "a100", instance_types = ["p4d.24xlarge"], capacity = "SPOT", largest = 1 }
}
