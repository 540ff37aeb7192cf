"""A Jupyter kernel whose cells run in a disposable, isolated sandbox."""
