"""What a model and the loop say to each other: messages, turns, prompts, chat templates, the record of an episode."""
