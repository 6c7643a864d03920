"""Keys and signatures: how a battery's certificate is signed and checked without asking anybody."""
