"""What operators see: metrics, failed calls, failing targets, logs."""

from penstock.telemetry.failing import FailingTargets
from penstock.telemetry.forward import Forward
from penstock.telemetry.logs import FailedCalls, build_logger
from penstock.telemetry.metrics import CONTENT_TYPE, Metrics
from penstock.telemetry.totals import Gauges, QuotaUse, Totals, summed
from penstock.telemetry.trace import Trace

__all__ = [
    "CONTENT_TYPE",
    "FailedCalls",
    "FailingTargets",
    "Forward",
    "Gauges",
    "Metrics",
    "QuotaUse",
    "Totals",
    "Trace",
    "build_logger",
    "summed",
]
