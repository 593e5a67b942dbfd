"""What hub and node both need, and what defines a format; it imports neither side.

Vigie lets public bodies that each hold one part of a company's story find the companies in difficulty early, without
handing their files over in clear, and lets an auditor prove afterwards who sent what and who received which result.
"""
