"""Where finished videos are kept, and how files of ours are written."""

__all__ = [
    "asset_files",
    "bucket",
    "busy_files",
    "dirfd",
    "file_lock",
    "local_disk",
    "open_flags",
    "page_file",
    "part_files",
    "scratch_folder",
    "upload_files",
    "video_names",
    "video_store",
    "whole_file",
]
