terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # Where the state lives is said at init: terraform init -backend-config=production.s3.tfbackend
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  # With example_credentials a plan can be read without an account: nothing is asked of AWS.
  access_key                  = var.example_credentials ? "example" : null
  secret_key                  = var.example_credentials ? "example" : null
  skip_credentials_validation = var.example_credentials
  skip_requesting_account_id  = var.example_credentials
  skip_metadata_api_check     = var.example_credentials
  skip_region_validation      = var.example_credentials

  default_tags {
    tags = {
      project     = "voco"
      environment = var.environment
    }
  }
}
