"""The embedded benchmark `mini`: its files are data, laid out like a local mirror; `build` makes those that can be made."""
