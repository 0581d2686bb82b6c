"""Static pages from run reports and the registry. Data first: a view holds finished text, a template only places it."""
