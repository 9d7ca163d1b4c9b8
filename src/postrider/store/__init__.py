"""The only SQL: tables, and one function for each question; none of them commits."""
