"""AiKore: runs AI WebUIs on one machine and puts them behind one address."""

__version__ = "0.1.0"
