"""Where candidate lists come from."""
