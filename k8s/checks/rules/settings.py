"""The environment variables of a container are settings of its program."""

from . import rule


@rule
def every_image_is_one_of_our_programs(overlay):
    for workload, container in overlay.containers:
        if overlay.program_of(container) is None:
            yield f"{workload.name}: {container['image']} is not one of our programs"


@rule
def every_setting_exists_in_the_program(overlay):
    for workload, container in overlay.containers:
        program = overlay.program_of(container)
        for name in overlay.settings_of(container).keys() - (program.settings if program else set()):
            yield f"{workload.name}: {container['image']} has no setting {name}"


@rule
def every_required_setting_is_set(overlay):
    for workload, container in overlay.containers:
        program = overlay.program_of(container)
        for name in (program.required if program else set()) - overlay.settings_of(container).keys():
            yield f"{workload.name}: {name} is missing"


@rule
def every_referenced_config_map_exists(overlay):
    for workload, container in overlay.containers:
        for source in container.get("envFrom", []):
            name = source.get("configMapRef", {}).get("name")
            if overlay.find("ConfigMap", name) is None:
                yield f"{workload.name}: there is no ConfigMap {name}"


@rule
def every_file_of_a_setting_is_mounted(overlay):
    for workload, container in overlay.containers:
        mounts = [mount["mountPath"] + "/" for mount in container.get("volumeMounts", [])]
        for name, value in overlay.settings_of(container).items():
            if name.endswith("_FILE") and value and not value.startswith(tuple(mounts)):
                yield f"{workload.name}: {name} is {value}, which is not mounted"
