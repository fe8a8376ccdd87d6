"""The crew's app: a web app for telephones that works without a network, and what it asks of the server."""
