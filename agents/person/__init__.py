"""A person in an actor's seat: an actor whose model is a function (`agents.person.seat:alfworld` and others) that shows what an
agent is shown, and gives what was typed as the answer. So everything that is done with a model's episodes is done with a
person's: records, replies that outlive a kill, ranking, training.
"""
