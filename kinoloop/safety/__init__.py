"""What may not be shown: scores of harm, what follows from them, and the decisions of people."""
