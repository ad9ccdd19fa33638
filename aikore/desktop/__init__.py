"""What shows an instance's desktop to people: a socket that carries its VNC."""
