"""Find plugins, load each one in isolation, and turn the names that users type into components.

Bottom-up: `timeout` and `guard` protect the process; `single_file` and `discovery` find plugins;
`loader` asks one plugin what it offers; `component` and `option_syntax` describe what a user chose;
`host` loads every plugin; `registry` looks components up.
"""
