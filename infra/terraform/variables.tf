variable "environment" {
  description = "staging or production; part of every name."
  type        = string

  validation {
    condition     = contains(["staging", "production"], var.environment)
    error_message = "environment: write staging or production."
  }
}

variable "account_id" {
  description = "The AWS account; part of bucket names, which are unique in the world."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id: twelve digits."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-central-1"
}

variable "zones" {
  description = "Availability zones: at least two, for the control plane and the database."
  type        = list(string)
  default     = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]

  validation {
    condition     = length(var.zones) >= 2
    error_message = "zones: at least two."
  }
}

variable "network" {
  description = "Addresses of the VPC, as a /16."
  type        = string
  default     = "10.40.0.0/16"
}

variable "kubernetes_version" {
  description = "EKS version."
  type        = string
  default     = "1.34"
}

variable "administrators" {
  description = "Networks from which the Kubernetes API is reached; none: from inside the VPC alone."
  type        = list(string)
  default     = []

  validation {
    condition     = !contains(var.administrators, "0.0.0.0/0")
    error_message = "administrators: not the whole world."
  }
}

variable "cpu_nodes" {
  description = "The pool for servers, validation, ingest and promotion."
  type = object({
    instance_types = list(string)
    smallest       = number
    largest        = number
  })
  default = {
    instance_types = ["m7i.2xlarge"]
    smallest       = 2
    largest        = 6
  }
}

variable "gpu_nodes" {
  description = "GPU pools by name. Each starts from no node, and its name ends in on-demand or spot, as the autoscaler's order expects."
  type = map(object({
    gpu            = string
    instance_types = list(string)
    capacity       = string
    largest        = number
  }))
  default = {
    a100-on-demand = { gpu = "a100", instance_types = ["p4d.24xlarge", "p4de.24xlarge"], capacity = "ON_DEMAND", largest = 2 }
    a100-spot      = { gpu = "a100", instance_types = ["p4d.24xlarge", "p4de.24xlarge"], capacity = "SPOT", largest = 4 }
    h100-on-demand = { gpu = "h100", instance_types = ["p5.48xlarge"], capacity = "ON_DEMAND", largest = 2 }
    h100-spot      = { gpu = "h100", instance_types = ["p5.48xlarge"], capacity = "SPOT", largest = 4 }
  }

  validation {
    condition     = alltrue([for name, pool in var.gpu_nodes : endswith(name, pool.capacity == "SPOT" ? "-spot" : "-on-demand")])
    error_message = "gpu_nodes: a pool's name ends in -spot or -on-demand, as its capacity says."
  }
}

variable "database_class" {
  description = "RDS instance class of MLflow's PostgreSQL."
  type        = string
  default     = "db.m7g.large"
}

variable "example_credentials" {
  description = "Plan with credentials that are none, to read what would be made; never apply with it."
  type        = bool
  default     = false
}
