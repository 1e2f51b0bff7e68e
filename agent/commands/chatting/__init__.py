"""The chat at a terminal: who talks, the line that is typed, the slash commands, and how a reply is drawn."""
