"""What steps tell MLflow: directly, or through a spool on disk that somebody else sends on."""

from components.tracking.figures import Stream, log_figures, streamed_figures, tracking_uri
from components.tracking.sinks import Sink, sink_for

__all__ = ["Sink", "Stream", "log_figures", "sink_for", "streamed_figures", "tracking_uri"]
