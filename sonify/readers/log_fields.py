"""``[log]`` of a signals preset: where in a log line or a table's row the values stand."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ROLES", "LogFields"]

ROLES = ("time", "latency", "status", "backend", "fallback", "glitch", "batch")


@dataclass(frozen=True, slots=True)
class LogFields:
    """Names of fields; an empty one is guessed where it has a usual name, else it is not there.

    Attributes
    ----------
    format : str
        ``combined``, ``json``, ``csv``, or an nginx ``log_format`` with ``$variables``; empty goes by the file's first
        lines.
    time, latency, status, backend, fallback, glitch, batch : str
        Field of a request's end, latency, HTTP status, backend, whether another backend served it, whether it was a
        glitch, and the size of the batch that the line tells of. In JSON a dotted name goes into objects.
    unit_s : float or None
        Seconds in one unit of the latency; None goes by the field's name.
    error : str
        Regular expression that a status of an error matches whole.
    """

    format: str = ""
    time: str = ""
    latency: str = ""
    status: str = ""
    backend: str = ""
    fallback: str = ""
    glitch: str = ""
    batch: str = ""
    unit_s: float | None = None
    error: str = "5.."
