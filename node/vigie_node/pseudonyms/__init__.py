"""From SIRENs to pseudonyms and back, on the partner's own node (protocol section 4).

``cache`` remembers, ``workers`` compute in processes of their own (``bench``), ``pseudonymise`` asks the other
custodians, and ``evaluator`` answers them. Nothing is imported here, so that a worker process stays small.
"""
