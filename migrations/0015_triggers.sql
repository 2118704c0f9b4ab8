-- An agent's triggers: what wakes it. Written by its events.
create table triggers (
  tenant_id     text           not null,
  trigger_id    text           not null,
  agent_id      text           not null,
  block_id      text           not null,
  since_version int            not null,      -- of the block: what came before wakes nobody
  debounce_ms   int            not null,
  input         text,
  place         int            not null,      -- the agent's version when it was set
  created_at    timestamptz(3) not null,
  created_by    json           not null,
  primary key (tenant_id, trigger_id)
);
create index triggers_of_agent on triggers (tenant_id, agent_id, place);
create index triggers_of_block on triggers (tenant_id, block_id);

-- How far each has come. State of its own: read from the feed by one owner, and again from its checkpoint.
create table trigger_wakes (
  tenant_id       text           not null,
  trigger_id      text           not null,
  from_version    int            not null,
  to_version      int            not null,    -- the newest change that wakes
  depth           int            not null,    -- of the turn that will be queued
  first_at        timestamptz(3) not null,
  due_at          timestamptz(3),             -- null: nothing to tell
  refused_version int,                        -- the newest change that was too deep to wake
  refused_run_id  text,
  refusals        int            not null default 0,
  run_id          text,                       -- the newest turn it has queued
  primary key (tenant_id, trigger_id)
);
create index trigger_wakes_due on trigger_wakes (due_at) where due_at is not null;

-- Before today there were no triggers: an old log need not be read for them.
insert into subscriptions (tenant_id, name, checkpoint)
select 'default', 'triggers', max(position) from events
having max(position) is not null;

grant select, insert, update, delete on triggers, trigger_wakes to palimpsest_app;
