"""What `postrider up --demo` adds to look at: receivers of its own, and orders to deliver to them."""
