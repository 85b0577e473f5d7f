"""What ends by itself."""

from . import rule

CLEARED_AWAY_BY = {
    "CronJob": ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"),
    "Job": ("ttlSecondsAfterFinished",),
}


def jobs(overlay):
    return [workload for workload in overlay.workloads if not workload.runs_for_ever]


@rule
def every_job_ends_and_is_cleared_away(overlay):
    for workload in jobs(overlay):
        if "activeDeadlineSeconds" not in workload.job:
            yield f"{workload.name}: may run for ever"
        if "backoffLimit" not in workload.job:
            yield f"{workload.name}: does not say how often it is tried"
        for key in CLEARED_AWAY_BY[workload.kind]:
            if key not in workload.object["spec"]:
                yield f"{workload.name}: no {key}, so what has ended stays for ever"


@rule
def a_job_is_not_tried_again_where_that_mends_nothing(overlay):
    # migrate: 2 is a bad setting. audit: 1 is a sale that is wrong; 2, undecided, is worth another look.
    final_codes = {"migration": [2], "reconciler": [1]}
    for workload in jobs(overlay):
        policies = workload.job.get("podFailurePolicy", {}).get("rules", [])
        codes = [policy["onExitCodes"]["values"] for policy in policies if policy["action"] == "FailJob"]
        if codes != [final_codes.get(workload.name)]:
            yield f"{workload.name}: fails for good with exit codes {codes}"


@rule
def one_audit_runs_at_a_time(overlay):
    for job in overlay.of_kind("CronJob"):
        if job["spec"].get("concurrencyPolicy") != "Forbid":
            yield f"{job['metadata']['name']}: concurrencyPolicy is {job['spec'].get('concurrencyPolicy')}"
