-- Each turn looks for the newest summary of its agent: not among all of its messages.
create index messages_summaries on messages (tenant_id, agent_id) where role = 'summary';
