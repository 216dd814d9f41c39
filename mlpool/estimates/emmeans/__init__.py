"""R's emmeans on tables of means: `contrast` and `regrid`."""
