"""The laboratory: how the networks are made and measured. PyTorch lives here only (extra [lab])."""
