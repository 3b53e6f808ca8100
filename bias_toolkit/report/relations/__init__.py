"""The relation between a variable of an image and its measures: findings, blocks of the page and figures."""
