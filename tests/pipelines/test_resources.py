"""What each step asks of a cluster, as it stands in the compiled pipeline, and that it agrees with infra/."""

import json

import pytest
import yaml
from google.protobuf.json_format import ParseDict
from kfp import compiler, dsl
from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig

from components.train_jobs.nodes import VARIABLE, node_resources
from pipelines.compiling import Images, compile_pipeline
from pipelines.profiles import load_profile
from pipelines.resources import Resources, configure
from pipelines.sizes import (
    CONFIG,
    CPU_TASKS,
    PROFILES,
    TASKS,
    TRAINING_TASKS,
    WORK,
    all_resources,
    placed,
    resources_for,
    size_of,
)
from tests.infra.manifests import KUBERNETES, ROOT
from voco_model.errors import VocoError


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def work() -> None:
    """Nothing."""


def compiled(tmp_path, profile: str) -> tuple[dict, dict]:
    """A pipeline of all tasks: each task's container and its settings for Kubernetes."""

    @dsl.pipeline(name="all")
    def everything() -> None:
        for task in TASKS:
            configure(work().set_display_name(task), resources_for(task, profile))

    path = tmp_path / "all.yaml"
    compiler.Compiler().compile(everything, str(path))
    pipeline, platform = yaml.safe_load_all(path.read_text())
    tasks = pipeline["root"]["dag"]["tasks"].values()
    executors = pipeline["deploymentSpec"]["executors"]
    settings = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    containers, strict = {}, {}
    for task in tasks:
        executor = task["componentRef"]["name"].replace("comp-", "exec-", 1)
        name = task["taskInfo"]["name"]
        containers[name] = executors[executor]["container"] | {"retry": task.get("retryPolicy", {})}
        strict[name] = ParseDict(settings[executor], KubernetesExecutorConfig())
    return containers, strict


@pytest.fixture(scope="module", params=["tiny", "7b-8gpu", "7b-multinode"])
def pipeline(request, tmp_path_factory):
    return request.param, *compiled(tmp_path_factory.mktemp("compiled"), request.param)


def test_pools_gpus_and_tolerations(pipeline):
    profile, containers, settings = pipeline
    for task in TASKS:
        gpus = containers[task].get("resources", {}).get("accelerator", {}).get("resourceCount", "0")
        tolerated = [t.key for t in settings[task].tolerations]
        selector = dict(settings[task].node_selector.labels)
        if profile == "tiny" or task in CPU_TASKS or (profile == "7b-multinode" and task in TRAINING_TASKS):
            assert (gpus, tolerated, selector) == ("0", [], {"voco/pool": "cpu"}), task
            continue
        assert gpus == ("8" if task in TRAINING_TASKS else "1"), task
        assert tolerated == ["nvidia.com/gpu"], task
        capacity = "on-demand" if task == "profile" else "spot"
        assert selector == {"voco/pool": "gpu", "voco/gpu": "h100", "voco/capacity": capacity}, task


def test_every_pod_is_bounded_and_knows_its_run(pipeline):
    _, containers, settings = pipeline
    for task in TASKS:
        resources, pod = containers[task]["resources"], settings[task]
        assert resources["resourceCpuRequest"] == resources["resourceCpuLimit"], task
        assert resources["resourceMemoryRequest"] == resources["resourceMemoryLimit"], task
        assert pod.active_deadline_seconds > 0, task
        assert pod.image_pull_policy == "IfNotPresent", task
        assert pod.security_context.run_as_non_root, task
        fields = {one.name: one.field_path for one in pod.field_path_as_env}
        assert fields == {"VOCO_RUN": "metadata.labels['pipeline/runid']"}, task
        assert pod.pod_metadata.labels["voco/task"] == task.replace("_", "-")


def test_another_try_finds_what_the_last_one_kept(pipeline):
    """Every step has a work folder below VOCO_WORK, so every pod mounts the volume."""
    _, _, settings = pipeline
    for task in TASKS:
        (mount,) = settings[task].pvc_mount
        claim = mount.pvc_name_parameter.runtime_value.constant.string_value
        assert (claim, mount.mount_path) == (WORK.claim, WORK.path), task


def test_training_shares_memory(pipeline):
    profile, _, settings = pipeline
    for task in TRAINING_TASKS:
        shared = [e for e in settings[task].empty_dir_mounts if e.mount_path == "/dev/shm"]
        assert [e.medium for e in shared] == ([] if profile == "7b-multinode" else ["Memory"])


def test_several_nodes_are_told_to_the_step(pipeline):
    profile, containers, _ = pipeline
    for task in TASKS:
        told = {one["name"]: one["value"] for one in containers[task].get("env", [])}
        found = node_resources(told)
        if profile == "7b-multinode" and task in TRAINING_TASKS:
            assert (found.nodes, found.gpus, found.work) == (4, 8, "/work")
            assert found.selector["voco/gpu"] == "h100"
        else:
            assert found is None, task


def test_what_may_be_tried_again(pipeline):
    profile, containers, _ = pipeline
    for task in ("news", "validate", "audit", "notify", "summarise"):
        assert containers[task]["retry"] == {}, task
    assert containers["ingest"]["retry"]["maxRetryCount"] == 3
    if profile != "tiny":
        assert containers["instruct"]["retry"]["maxRetryCount"] == 5


def test_secrets_are_never_in_the_clear_and_only_where_needed(pipeline):
    _, containers, settings = pipeline
    found = {task: [s.secret_name for s in settings[task].secret_as_env] for task in TASKS}
    assert {task: names for task, names in found.items() if names} == {
        "notify": ["voco-notify"],
        "evaluate": ["voco-judge"],
    }
    keys = {
        task: [(s.secret_name, s.mount_path, s.optional) for s in settings[task].secret_as_volume]
        for task in TASKS
    }
    unsigned = {"look", "news", "refuse", "notify"}
    for task in TASKS:
        assert keys[task] == ([] if task in unsigned else [("voco-signing", "/etc/voco/signing", True)]), task
    plain = {one["name"] for task in TASKS for one in containers[task].get("env", [])}
    assert plain <= {VARIABLE, "VOCO_IMAGE"}


def test_the_cluster_s_manifests_have_what_pods_refer_to():
    documents = list(yaml.safe_load_all((KUBERNETES / "base/pipeline.yaml").read_text()))
    kinds = {d["kind"]: d for d in documents}
    assert kinds["PersistentVolumeClaim"]["metadata"]["name"] == WORK.claim
    assert kinds["ConfigMap"]["metadata"]["name"] == CONFIG.name
    assert set(kinds["ConfigMap"]["data"]) >= set(CONFIG.keys)
    assert kinds["ConfigMap"]["data"]["VOCO_WORK"].startswith(WORK.path)
    nodes = (ROOT / "infra/terraform/nodes.tf").read_text()
    for resources in (all_resources(load_profile(p)) for p in PROFILES):
        for one in resources.values():
            assert all(f'"{label}"' in nodes for label in one.selector())


@pytest.mark.parametrize("name", PROFILES)
def test_resources_agree_with_the_recipes(name):
    profile = load_profile(name)
    for task, asked in all_resources(profile).items():
        assert asked == resources_for(task, name), task


def test_a_person_s_own_profile_takes_what_its_recipes_say(tmp_path):
    shipped = ROOT / "pipelines/configs"
    (tmp_path / "two.yaml").write_text(
        f"extends: {shipped}/7b-8gpu/instruct.yaml\n"
        "data: {micro_batch: 4}\ndevice: {gpus_per_node: 4, nodes: 2}\n"
    )
    (tmp_path / "own.yaml").write_text(
        f"extends: {shipped}/7b-8gpu/pipeline.yaml\ninstruct: {{recipe: {tmp_path}/two.yaml}}\n"
    )
    profile = load_profile(str(tmp_path / "own.yaml"))
    assert size_of(profile) == "7b-multinode"
    asked = all_resources(profile)
    assert (asked["instruct"].nodes, asked["instruct"].gpus) == (2, 4)
    assert (asked["align"].nodes, asked["align"].gpus) == (1, 8)
    assert size_of(load_profile(str(shipped / "tiny/pipeline.yaml"))) in ("small", "tiny")


def test_the_real_pipeline_is_placed(tmp_path):
    """Every task of it has resources, inside conditions and loops too."""
    profile = load_profile("7b-8gpu")
    images = Images(f"voco@sha256:{'0' * 64}", f"voco-gpu@sha256:{'1' * 64}")
    path = compile_pipeline("retraining", profile, tmp_path / "p.yaml", images, configure=placed(profile))
    pipeline, platform = yaml.safe_load_all(path.read_text())
    settings = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for name, executor in pipeline["deploymentSpec"]["executors"].items():
        pod = ParseDict(settings[name], KubernetesExecutorConfig())
        on_gpu = "accelerator" in executor["container"]["resources"]
        assert pod.node_selector.labels["voco/pool"] == ("gpu" if on_gpu else "cpu"), name
        assert executor["container"]["image"] == (images.gpu if on_gpu else images.cpu), name
        told = {one["name"]: one["value"] for one in executor["container"]["env"]}
        assert told["VOCO_IMAGE"] == executor["container"]["image"], name


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cpu": "four"}, "cpu is 'four'"),
        ({"memory": "16G"}, "memory is '16G'"),
        ({"gpus": 1}, "1 GPUs on the pool cpu"),
        ({"pool": "gpu"}, "0 GPUs on the pool gpu"),
        ({"gpu": "H1000", "gpus": 1, "pool": "gpu"}, "gpu is 'H1000'"),
        ({"nodes": 2}, "2 nodes without GPUs"),
        ({"shared_memory": "16Gi"}, "shared_memory 16Gi is taken from memory 8Gi"),
        ({"deadline": 0}, "deadline is 0"),
    ],
)
def test_mistakes_are_named(wrong, message):
    with pytest.raises(VocoError, match=message):
        Resources(**{"cpu": "4", "memory": "8Gi"} | wrong)


def test_unknown_names_are_told_the_known_ones():
    with pytest.raises(VocoError, match="train: no such task; there are fetch, look"):
        resources_for("train", "tiny")
    with pytest.raises(VocoError, match="huge: no such profile; there are tiny"):
        resources_for("align", "huge")
    with pytest.raises(VocoError, match="unknown key gpu_count"):
        node_resources({VARIABLE: json.dumps({"gpu_count": 3})})
