"""The checks of the conformance kit: one module for plugins, and one for each kind of component."""
