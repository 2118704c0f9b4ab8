-- A parked turn has not ended: it stands in its agent's way until it is gone on with.
drop index turns_waiting;
create index turns_waiting on turns (tenant_id, agent_id, seq) where status in ('queued', 'running', 'parked');

-- Turns that nobody is at end at their deadline all the same.
alter table turns add column deadline timestamptz(3);
create index turns_due on turns (deadline) where deadline is not null and status in ('queued', 'parked');
