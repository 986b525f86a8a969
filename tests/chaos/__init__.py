"""What is promised of delivery, tried by killing things; and who judges it."""
