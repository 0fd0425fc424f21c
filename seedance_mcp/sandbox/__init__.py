"""The provider as documented, for trying and for tests: raw JSON in, envelope out, real MP4 files."""
