"""Where finished videos are kept."""

__all__ = [
    "asset_files",
    "bucket",
    "dirfd",
    "file_lock",
    "local_disk",
    "page_file",
    "part_files",
    "scratch_folder",
    "upload_files",
    "video_names",
    "video_store",
]
