"""Texts: word, typing and writing noise, subword dropout, back-translation, and policies of them."""
