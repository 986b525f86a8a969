"""The service to other programs over zerorpc: `server`, `client`, and what both share. Importing this loads nothing."""
