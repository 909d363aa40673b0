# One role for each service account of infra/kubernetes (IRSA), with what it does and no more.
locals {
  issuer = replace(aws_iam_openid_connect_provider.cluster.url, "https://", "")

  accounts = {
    pipeline   = { namespace = "voco", name = "voco-pipeline", policy = data.aws_iam_policy_document.data.json }
    training   = { namespace = "voco", name = "voco-training", policy = data.aws_iam_policy_document.data.json }
    mlflow     = { namespace = "voco", name = "mlflow", policy = data.aws_iam_policy_document.artifacts.json }
    secrets    = { namespace = "voco", name = "voco-secrets", policy = data.aws_iam_policy_document.secrets.json }
    autoscaler = { namespace = "kube-system", name = "cluster-autoscaler", policy = data.aws_iam_policy_document.autoscaler.json }
  }
}

data "aws_iam_policy_document" "assumed_by_account" {
  for_each = local.accounts

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.cluster.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = ["system:serviceaccount:${each.value.namespace}:${each.value.name}"]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "account" {
  for_each           = local.accounts
  name               = "${local.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.assumed_by_account[each.key].json
}

resource "aws_iam_role_policy" "account" {
  for_each = local.accounts
  role     = aws_iam_role.account[each.key].name
  policy   = each.value.policy
}

# Steps and training read and write data sets, DVC's remote and KFP's artifacts. Nothing is deleted: versions stay.
data "aws_iam_policy_document" "data" {
  statement {
    actions   = ["s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketLocation"]
    resources = [for bucket in aws_s3_bucket.this : bucket.arn]
  }

  statement {
    actions   = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:AbortMultipartUpload"]
    resources = [for bucket in aws_s3_bucket.this : "${bucket.arn}/*"]
  }

  statement {
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.this.arn]
  }
}

# MLflow hands artifacts through, and deletes those of runs that people delete; the bucket keeps the versions.
data "aws_iam_policy_document" "artifacts" {
  statement {
    actions   = ["s3:ListBucket", "s3:GetBucketLocation"]
    resources = [aws_s3_bucket.this["artifacts"].arn]
  }

  statement {
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    resources = ["${aws_s3_bucket.this["artifacts"].arn}/*"]
  }

  statement {
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.this.arn]
  }
}

data "aws_iam_policy_document" "secrets" {
  statement {
    actions   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
    resources = [aws_db_instance.mlflow.master_user_secret[0].secret_arn]
  }

  statement {
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.this.arn]
  }
}

data "aws_iam_policy_document" "autoscaler" {
  statement {
    actions = [
      "autoscaling:DescribeAutoScalingGroups",
      "autoscaling:DescribeAutoScalingInstances",
      "autoscaling:DescribeLaunchConfigurations",
      "autoscaling:DescribeScalingActivities",
      "autoscaling:DescribeTags",
      "ec2:DescribeImages",
      "ec2:DescribeInstanceTypes",
      "ec2:DescribeLaunchTemplateVersions",
      "ec2:GetInstanceTypesFromInstanceRequirements",
      "eks:DescribeNodegroup",
    ]
    resources = ["*"] # AWS offers no narrower form of these
  }

  statement {
    actions   = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/k8s.io/cluster-autoscaler/${local.name}"
      values   = ["owned"]
    }
  }
}
