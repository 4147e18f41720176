"""Find plugins, load each one in isolation, and turn the names that users type into components.

Bottom-up: `timeout` and `guard` protect the process from third-party code; `load_failure` describes
what went wrong; `single_file` and `discovery` find plugins; `loader` imports one and collects what it
offers; `component` and `component_code` say what a plugin offers and call it, `configured_component` and
`option_syntax` what a user selected; `host` loads all plugins; `component_names` knows their names;
`registry` looks components up and sets their options.
"""
