"""The report page: one HTML file that plays a render and shows the same thing, with findings in words."""
