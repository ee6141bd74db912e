"""Runs that leave the lab as files, and runs that come in, of which nothing is believed."""
