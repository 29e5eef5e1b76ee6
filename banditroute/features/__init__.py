"""What a router sees: checked feature vectors."""
