"""The process: settings, identity, HTTP, WebSocket, command line; wires the floors together."""
