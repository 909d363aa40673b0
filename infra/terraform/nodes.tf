data "aws_iam_policy_document" "assumed_by_nodes" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "node" {
  name               = "${local.name}-node"
  assume_role_policy = data.aws_iam_policy_document.assumed_by_nodes.json
}

resource "aws_iam_role_policy_attachment" "node" {
  for_each   = toset(["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly"])
  role       = aws_iam_role.node.name
  policy_arn = "arn:aws:iam::aws:policy/${each.key}"
}

# Pods cannot reach a node's own credentials: the second hop is one too many. Disks are encrypted and hold an image
# of many gigabytes and what a step writes below /tmp.
resource "aws_launch_template" "node" {
  for_each    = { cpu = 200, gpu = 1000 }
  name_prefix = "${local.name}-${each.key}-"

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvdb" # Bottlerocket keeps its own system on the first disk and everything else here
    ebs {
      volume_size = each.value
      volume_type = "gp3"
      encrypted   = true
    }
  }
}

resource "aws_eks_node_group" "cpu" {
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "${local.name}-cpu"
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = [for subnet in aws_subnet.private : subnet.id]
  ami_type        = "BOTTLEROCKET_x86_64"
  instance_types  = var.cpu_nodes.instance_types
  labels          = { "voco/pool" = "cpu" }

  launch_template {
    id      = aws_launch_template.node["cpu"].id
    version = aws_launch_template.node["cpu"].latest_version
  }

  scaling_config {
    min_size     = var.cpu_nodes.smallest
    desired_size = var.cpu_nodes.smallest
    max_size     = var.cpu_nodes.largest
  }

  lifecycle {
    ignore_changes = [scaling_config[0].desired_size] # the autoscaler's business
  }

  depends_on = [aws_iam_role_policy_attachment.node, aws_eks_addon.network]
}

# Bottlerocket's NVIDIA image brings driver and device plugin, so a node needs nothing from the cluster to offer its GPUs.
resource "aws_eks_node_group" "gpu" {
  for_each        = var.gpu_nodes
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "${local.name}-${each.key}"
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = [for subnet in aws_subnet.private : subnet.id]
  ami_type        = "BOTTLEROCKET_x86_64_NVIDIA"
  instance_types  = each.value.instance_types
  capacity_type   = each.value.capacity
  labels = {
    "voco/pool"     = "gpu"
    "voco/gpu"      = each.value.gpu
    "voco/capacity" = each.value.capacity == "SPOT" ? "spot" : "on-demand"
  }

  taint {
    key    = "nvidia.com/gpu"
    value  = "present"
    effect = "NO_SCHEDULE"
  }

  launch_template {
    id      = aws_launch_template.node["gpu"].id
    version = aws_launch_template.node["gpu"].latest_version
  }

  scaling_config {
    min_size     = 0
    desired_size = 0
    max_size     = each.value.largest
  }

  lifecycle {
    ignore_changes = [scaling_config[0].desired_size]
  }

  depends_on = [aws_iam_role_policy_attachment.node, aws_eks_addon.network]
}

# While a group has no node, the autoscaler learns from these tags what a node of it would offer.
locals {
  node_hints = merge([
    for name, pool in var.gpu_nodes : {
      "${name}/pool" = { group = name, key = "label/voco/pool", value = "gpu" }
      "${name}/gpu"  = { group = name, key = "label/voco/gpu", value = pool.gpu }
      "${name}/capacity" = {
        group = name, key = "label/voco/capacity", value = pool.capacity == "SPOT" ? "spot" : "on-demand"
      }
      "${name}/taint" = { group = name, key = "taint/nvidia.com/gpu", value = "present:NoSchedule" }
      "${name}/count" = { group = name, key = "resources/nvidia.com/gpu", value = "8" }
    }
  ]...)
}

resource "aws_autoscaling_group_tag" "hints" {
  for_each               = local.node_hints
  autoscaling_group_name = aws_eks_node_group.gpu[each.value.group].resources[0].autoscaling_groups[0].name

  tag {
    key                 = "k8s.io/cluster-autoscaler/node-template/${each.value.key}"
    value               = each.value.value
    propagate_at_launch = false
  }
}
