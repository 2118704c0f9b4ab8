-- When an agent is sent a message by the clock; the queue's own schedulers are made after this table.
create table schedules (
  tenant_id   text           not null,
  schedule_id text           not null,
  agent_id    text           not null,
  name        text,
  cron        text           not null,
  tz          text           not null,
  input       text           not null,
  created_at  timestamptz(3) not null,
  primary key (tenant_id, schedule_id)
);
create index schedules_of_agent on schedules (tenant_id, agent_id, created_at, schedule_id);
grant select, insert, update, delete on schedules to palimpsest_app;
