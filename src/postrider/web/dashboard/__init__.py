"""The pages for people, one file for each resource."""
