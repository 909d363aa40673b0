"""What every overlay has to hold: references that lead somewhere, pods without rights to spare."""

import re

import pytest
import yaml

from tests.infra.manifests import KUBERNETES, OVERLAYS, documents, pods

OF_THE_CLUSTER = {"system-cluster-critical"}
"""Priority classes that Kubernetes itself brings."""

pytestmark = pytest.mark.parametrize("overlay", OVERLAYS)


def names(overlay, *kinds) -> set[str]:
    return {d["metadata"]["name"] for d in documents(overlay) if d["kind"] in kinds}


def test_every_document_is_named_and_stands_once(overlay):
    found = [
        (d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"], bool(d["apiVersion"]))
        for d in documents(overlay)
    ]
    assert len(found) == len(set(found)) > 15


def test_every_file_is_reached_by_an_overlay_or_is_a_patch(overlay):
    """A manifest that no kustomization names would be dead."""
    for folder in (KUBERNETES / "base", KUBERNETES / "gpu-pools", KUBERNETES / "overlays" / overlay):
        listed = (folder / "kustomization.yaml").read_text()
        unused = [f.name for f in folder.glob("*.yaml") if f.name != "kustomization.yaml" and f.name not in listed]
        assert not unused


def test_nothing_is_left_for_the_overlay_to_set(overlay):
    assert not [d["metadata"]["name"] for d in documents(overlay) if "set-by-the-overlay" in yaml.dump(d)]


def test_accounts_and_priorities_exist(overlay):
    accounts = names(overlay, "ServiceAccount") | {"default"}
    priorities = names(overlay, "PriorityClass") | OF_THE_CLUSTER
    for name, pod in pods(overlay):
        assert pod.get("serviceAccountName", "default") in accounts, name
        assert pod["priorityClassName"] in priorities, name


def test_bindings_bind_what_exists(overlay):
    roles = names(overlay, "Role", "ClusterRole")
    for document in documents(overlay):
        if document["kind"].endswith("RoleBinding"):
            assert document["roleRef"]["name"] in roles
            assert {s["name"] for s in document["subjects"]} <= names(overlay, "ServiceAccount")


def test_roles_name_their_verbs_and_resources(overlay):
    for document in documents(overlay):
        for rule in document.get("rules", []):
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"], document["metadata"]["name"]
            assert "secrets" not in rule["resources"]


def test_config_and_secrets_that_pods_read_exist(overlay):
    configs = names(overlay, "ConfigMap")
    secrets = names(overlay, "Secret") | {
        d["spec"]["target"]["name"] for d in documents(overlay) if d["kind"] == "ExternalSecret"
    }
    for name, pod in pods(overlay):
        text = yaml.dump(pod["containers"], default_flow_style=True, width=10_000)
        assert set(re.findall(r"configMap(?:Ref|KeyRef): \{[^}]*name: ([\w-]+)", text)) <= configs, name
        assert set(re.findall(r"secret(?:Ref|KeyRef): \{[^}]*name: ([\w-]+)", text)) <= secrets, name


def test_mounts_have_their_volumes(overlay):
    claims = names(overlay, "PersistentVolumeClaim")
    templates = {
        claim["metadata"]["name"]
        for d in documents(overlay)
        for claim in d.get("spec", {}).get("volumeClaimTemplates", [])
    }
    for name, pod in pods(overlay):
        volumes = {v["name"]: v for v in pod.get("volumes", [])}
        mounted = {m["name"] for c in pod["containers"] for m in c.get("volumeMounts", [])}
        assert set(volumes) <= mounted <= set(volumes) | templates, name
        wanted = {
            v["persistentVolumeClaim"]["claimName"] for v in volumes.values() if "persistentVolumeClaim" in v
        }
        assert wanted <= claims, name


def test_pods_have_no_rights_to_spare(overlay):
    for name, pod in pods(overlay):
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 10_000, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), name
        assert not [v for v in pod.get("volumes", []) if "hostPath" in v], name
        for container in pod["containers"] + pod.get("initContainers", []):
            rights = container["securityContext"]
            assert rights["readOnlyRootFilesystem"] is True, name
            assert rights["allowPrivilegeEscalation"] is False, name
            assert rights["capabilities"] == {"drop": ["ALL"]}, name
            assert "privileged" not in rights, name


def test_containers_state_what_they_take_and_which_version_they_are(overlay):
    for name, pod in pods(overlay):
        for container in pod["containers"]:
            for bound in ("requests", "limits"):
                assert {"cpu", "memory"} <= set(container["resources"][bound]), name
            tag = container["image"].rpartition("/")[2].partition(":")[2] or container["image"].partition("@")[2]
            assert tag, f"{name}: {container['image']} names no version"
            assert tag != "latest", name


def test_disruption_budgets_and_services_select_pods(overlay):
    templates = [d["spec"]["template"] for d in documents(overlay) if d["kind"] in ("Deployment", "StatefulSet")]
    labels = [template["metadata"]["labels"] for template in templates]
    for document in documents(overlay):
        if document["kind"] in ("PodDisruptionBudget", "Service"):
            selector = document["spec"]["selector"]
            wanted = selector.get("matchLabels", selector)
            assert any(wanted.items() <= label.items() for label in labels), document["metadata"]["name"]


def test_everything_is_denied_that_is_not_allowed(overlay):
    policies = {d["metadata"]["name"]: d["spec"] for d in documents(overlay) if d["kind"] == "NetworkPolicy"}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_gpu_pods_go_to_gpu_nodes_and_others_do_not(overlay):
    seen = 0
    for name, pod in pods(overlay):
        wants = any("nvidia.com/gpu" in c["resources"]["limits"] for c in pod["containers"])
        tolerated = {t["key"] for t in pod.get("tolerations", [])}
        assert ("nvidia.com/gpu" in tolerated) is wants, name
        if wants:
            seen += 1
            assert pod["nodeSelector"]["voco/pool"] == "gpu"
            assert pod["priorityClassName"] == "voco-training"
    assert seen == (0 if overlay == "local" else 1)


def test_no_secret_stands_in_the_clear(overlay):
    for document in documents(overlay):
        if document["kind"] == "Secret":
            assert set(document["data"]) == {"PGUSER"}, "a user's name alone: the local database has no password"
        assert not re.search(r"AKIA[0-9A-Z]{16}|-----BEGIN", yaml.dump(document))


def test_the_autoscaler_knows_every_pool(overlay):
    configured = [d for d in documents(overlay) if d["metadata"]["name"] == "cluster-autoscaler-priority-expander"]
    if overlay == "local":
        assert not configured
        return
    orders = yaml.safe_load(configured[0]["data"]["priorities"])
    group = "eks-voco-production-{}-1c2f"

    def priority(pool: str) -> int:
        matching = [p for p, patterns in orders.items() if any(re.search(x, group.format(pool)) for x in patterns)]
        return max(matching)

    pools = sorted(("h100-on-demand", "a100-on-demand", "h100-spot", "a100-spot"), key=priority)
    assert pools == ["h100-on-demand", "a100-on-demand", "h100-spot", "a100-spot"]
