"""How well messages are understood: scripted ones in two languages, half for development and half for the figure.

en.toml, zh.toml -> messages (each with the state it is said in) -> reader -> scoring -> report
"""
