"""Findings, definitions, and the sentences that several topics share."""
