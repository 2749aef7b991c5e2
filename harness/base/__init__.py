"""What every other room may use and what uses none of them: errors, seeds, the registry of parts, options, JSON and YAML
text, money, deadlines, safe files."""
