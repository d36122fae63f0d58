"""Many boxes as one: the inventory, the certificates, and the campaigns that place the local command on boxes.

Only this package knows of Dask's `distributed`, and it knows nothing of tests: a job is one command line, its record
comes home. Who is there, who has died and who is cut off is distributed's to say; which job runs where next is ours.
"""
