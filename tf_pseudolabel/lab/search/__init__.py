"""Which preset helps: short trainings on validation data, never on the test."""
