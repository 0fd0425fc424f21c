"""Local files and URLs: their format and measures, and whether they may be sent."""

__all__ = [
    "contact_sheet",
    "decoder",
    "formats",
    "headers",
    "local_files",
    "matroska",
    "mp4_header",
    "mpeg_audio",
    "probe",
    "signatures",
    "urls",
    "worker",
]
