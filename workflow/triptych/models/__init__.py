"""Networks: building, describing and initialising them."""
