"""What is found in files, made into boxes that can be learned from; what cannot is dropped with a count."""
