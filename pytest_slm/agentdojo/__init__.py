"""AgentDojo: agents over tools whose results carry orders of somebody else's; its own code judges, without network."""
