"""What people can see and do, with the permission checked first; the API and the screens call the same functions."""
