"""The modules of AuditTrail's quick start, recorded by Exhibit."""
