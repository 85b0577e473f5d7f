"""Jobs and CronJobs."""

from . import rule

CLEARED_AWAY_BY = {
    "CronJob": ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"),
    "Job": ("ttlSecondsAfterFinished",),
}


def jobs(overlay):
    return [workload for workload in overlay.workloads if not workload.is_a_service]


@rule
def every_job_has_a_deadline_and_is_removed(overlay):
    for workload in jobs(overlay):
        if "activeDeadlineSeconds" not in workload.job:
            yield f"{workload.name}: has no deadline"
        if "backoffLimit" not in workload.job:
            yield f"{workload.name}: has no backoffLimit"
        for key in CLEARED_AWAY_BY[workload.kind]:
            if key not in workload.object["spec"]:
                yield f"{workload.name}: no {key}, so finished Jobs stay"


@rule
def a_job_is_not_retried_after_a_final_exit_code(overlay):
    # migrate: 2 is an invalid setting. audit: 1 is a mismatch; 2, undecided, is retried.
    final_codes = {"migration": [2], "reconciler": [1]}
    for workload in jobs(overlay):
        policies = workload.job.get("podFailurePolicy", {}).get("rules", [])
        codes = [policy["onExitCodes"]["values"] for policy in policies if policy["action"] == "FailJob"]
        if codes != [final_codes.get(workload.name)]:
            yield f"{workload.name}: is not retried after exit codes {codes}"


@rule
def one_audit_runs_at_a_time(overlay):
    for job in overlay.of_kind("CronJob"):
        if job["spec"].get("concurrencyPolicy") != "Forbid":
            yield f"{job['metadata']['name']}: concurrencyPolicy is {job['spec'].get('concurrencyPolicy')}"
