-- State of its own: nothing rebuilds these tables.

-- Who runs an agent's turns. A newer epoch fences everybody who claimed the agent before.
create table mailboxes (
  tenant_id  text        not null,
  agent_id   text        not null,
  epoch      bigint      not null default 0,
  owner      text,                                -- a worker, or nobody
  next_seq   bigint      not null default 1,
  pending    int         not null default 0,      -- turns that have not ended
  ready_at   timestamptz not null default now(),
  not_before timestamptz,
  primary key (tenant_id, agent_id)
) with (fillfactor = 60);
create index mailboxes_waiting on mailboxes (ready_at) where pending > 0;

-- One lease per worker process, by the database's clock. A process is no tenant's.
create table workers (
  worker_id   text        not null primary key,
  lease_until timestamptz not null,
  lock_key    bigint
);

create table tools (
  tenant_id                 text           not null,
  tool_id                   text           not null,
  name                      text           not null,
  tool_type                 text           not null,
  description               text,
  source_type               text,
  source_code               text,
  json_schema               json           not null,
  args_json_schema          json,
  tags                      text[]         not null default '{}',
  return_char_limit         int            not null default 50000,
  pip_requirements          json,
  npm_requirements          json,
  default_requires_approval boolean,
  enable_parallel_execution boolean        not null default false,
  metadata                  json           not null default '{}',
  project_id                text,
  created_by                json           not null,
  updated_by                json           not null,
  created_at                timestamptz(3) not null default now(),
  updated_at                timestamptz(3) not null default now(),
  primary key (tenant_id, tool_id),
  unique (tenant_id, name)
);

grant select, insert, update, delete on mailboxes, workers, tools to palimpsest_app;
