"""Strategies of my own."""
