"""Agent loops as they are written against other libraries, over our environments. docs/bridges.md names each of them."""
