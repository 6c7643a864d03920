"""Who may do what to which object: roles, grants, accounts, sign-in. Shared by the API and the screens."""
