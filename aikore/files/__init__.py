"""Files: the folder of an instance and its outputs, to browse, read, write, upload and download."""
