"""Local files and URLs: their format and measures, and whether they may be sent."""

__all__ = [
    "contact_sheet",
    "headers",
    "local_files",
    "mp4_header",
    "probe",
    "urls",
]
