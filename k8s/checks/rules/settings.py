"""Every variable that a container is given is a setting of the program in it."""

from . import rule


@rule
def every_image_holds_one_of_our_programs(overlay):
    for workload, container in overlay.containers:
        if overlay.program_of(container) is None:
            yield f"{workload.name}: nobody knows the program of {container['image']}"


@rule
def every_setting_exists_in_the_program(overlay):
    for workload, container in overlay.containers:
        program = overlay.program_of(container)
        for name in overlay.settings_of(container).keys() - (program.settings if program else set()):
            yield f"{workload.name}: {container['image']} knows no setting {name}"


@rule
def every_required_setting_is_given(overlay):
    for workload, container in overlay.containers:
        program = overlay.program_of(container)
        for name in (program.required if program else set()) - overlay.settings_of(container).keys():
            yield f"{workload.name}: {name} is missing"


@rule
def every_config_map_that_a_container_names_is_rendered(overlay):
    for workload, container in overlay.containers:
        for source in container.get("envFrom", []):
            name = source.get("configMapRef", {}).get("name")
            if overlay.find("ConfigMap", name) is None:
                yield f"{workload.name}: there is no ConfigMap {name}"


@rule
def a_file_that_a_setting_names_is_mounted(overlay):
    for workload, container in overlay.containers:
        mounts = [mount["mountPath"] + "/" for mount in container.get("volumeMounts", [])]
        for name, value in overlay.settings_of(container).items():
            if name.endswith("_FILE") and value and not value.startswith(tuple(mounts)):
                yield f"{workload.name}: {name} is {value}, which nobody mounts"
