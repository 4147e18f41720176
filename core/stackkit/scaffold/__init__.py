"""Create the project of a new plugin from Jinja2 templates."""
