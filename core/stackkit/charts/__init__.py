"""Draw the pictures of a report with matplotlib, as SVG or PNG that follow the page's colours."""
