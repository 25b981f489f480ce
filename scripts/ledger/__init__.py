"""The accuracy ledger: exact references, the committed cases, and what is made of their errors."""
