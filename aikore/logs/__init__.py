"""Reading, following and searching the log a keeper writes. Never writes into an instance's folder."""
