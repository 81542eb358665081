"""Pictures and captions in one space: read, trained, asked, and shown."""
