"""What a local file is, and whether it may be sent."""

__all__ = [
    "contact_sheet",
    "headers",
    "local_files",
    "mp4_header",
    "probe",
    "urls",
]
