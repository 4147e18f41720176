"""The plugins that stackkit ships, registered through entry points exactly as a stranger's."""
