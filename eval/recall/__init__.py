"""How much of what people went on to like each source of recall finds, alone and with the others."""
