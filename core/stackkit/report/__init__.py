"""An experiment's records as a JSON document and as a table for people."""
