"""`postrider bench`: how many deliveries this machine makes, how soon, and at what price."""
