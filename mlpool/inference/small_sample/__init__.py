"""Kenward-Roger and Satterthwaite: information of the variance parameters and what follows."""
