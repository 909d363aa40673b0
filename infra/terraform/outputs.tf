output "image_repository" {
  description = "Where images are pushed."
  value       = aws_ecr_repository.this.repository_url
}

output "data_bucket" {
  description = "Data sets and DVC's remote."
  value       = aws_s3_bucket.this["data"].bucket
}

output "kubeconfig_command" {
  description = "Gives kubectl access to the cluster."
  value       = "aws eks update-kubeconfig --region ${var.region} --name ${aws_eks_cluster.this.name}"
}

output "kustomize_settings" {
  description = "An overlay's cluster.yaml: terraform output -raw kustomize_settings > ../kubernetes/overlays/production/cluster.yaml"
  value = format("---\n%s", yamlencode({
    apiVersion = "v1"
    kind       = "ConfigMap"
    metadata = {
      name        = "cluster"
      annotations = { "config.kubernetes.io/local-config" = "true" }
    }
    data = merge(
      {
        region          = var.region
        cluster         = aws_eks_cluster.this.name
        artifact_store  = "s3://${aws_s3_bucket.this["artifacts"].bucket}"
        dvc_remote      = "s3://${aws_s3_bucket.this["data"].bucket}/dvc"
        database_host   = aws_db_instance.mlflow.address
        database_secret = aws_db_instance.mlflow.master_user_secret[0].secret_arn
      },
      { for name, role in aws_iam_role.account : "role_${name}" => role.arn },
    )
  }))
}
