"""A soak: a deployment under steady load and disturbance, watched for whatever grows without end.

citizens, agencies ──steady rate──► stack ◄──kills, pauses── chaos
                                      │ every 10 s
                                   sampler ──series──► verdict: flat or growing
"""
