"""Faces and licence plates: finding them and making them unrecognisable before a release."""
