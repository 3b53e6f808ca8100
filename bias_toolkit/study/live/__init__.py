"""The views of a study's images with its model running: what they show, the page, and the server on this machine."""
