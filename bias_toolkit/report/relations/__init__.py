"""One variable of an image against its measures: findings, blocks of the page and figures."""
