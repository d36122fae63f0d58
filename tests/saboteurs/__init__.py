"""Bad deployments, each with one fault: a proxy in front of a real vLLM, as an image and for the matrix of controls.

`proxy.py`, `faults.py` and `entry.py` run inside the image too, so they know only the standard library.
"""
