"""Readers of partner files: each turns one file format into a checked canonical table.

A reader refuses a file that is not what it should be, rejects rows that break a rule and says where they are, and hands
over only rows that may be sent.
"""
