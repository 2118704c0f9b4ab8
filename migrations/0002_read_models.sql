-- Read models: written in the commit of the events they follow from, and rebuilt from the log alone.

create table blocks (
  tenant_id             text           not null,
  block_id              text           not null,
  label                 text           not null,
  description           text,
  char_limit            int            not null,
  read_only             boolean        not null,
  tags                  text[]         not null,
  metadata              json           not null,
  hidden                boolean,
  is_template           boolean        not null,
  preserve_on_migration boolean        not null,
  project_id            text,
  template_name         text,
  deleted               boolean        not null,
  created_at            timestamptz(3) not null,
  created_by            json           not null,
  primary key (tenant_id, block_id)
);
create index blocks_listed on blocks (tenant_id, created_at, block_id) where not deleted;
create index blocks_labelled on blocks (tenant_id, label) where not deleted;

create table agents (
  tenant_id  text           not null,
  agent_id   text           not null,
  name       text           not null,
  tags       text[]         not null,
  settings   json           not null,
  tool_ids   text[]         not null,
  hidden     boolean,
  project_id text,
  deleted    boolean        not null,
  created_at timestamptz(3) not null,
  created_by json           not null,
  primary key (tenant_id, agent_id)
);
create index agents_listed on agents (tenant_id, created_at, agent_id) where not deleted;

-- `place` is the version of the agent's stream at which the block was attached: the order of the prompt.
create table attachments (
  tenant_id   text           not null,
  agent_id    text           not null,
  block_id    text           not null,
  label       text           not null,
  place       int            not null,
  attached_at timestamptz(3) not null,
  primary key (tenant_id, agent_id, block_id)
);
create index attachments_of_block on attachments (tenant_id, block_id);

-- `seq` is the turn's place in its agent's mailbox, handed out when it is queued.
create table turns (
  tenant_id                 text           not null,
  run_id                    text           not null,
  agent_id                  text           not null,
  seq                       bigint         not null,
  status                    text           not null,
  source                    text           not null,
  request_hash              text,
  options                   json           not null,
  attempts_without_progress int            not null,
  step_count                int            not null,
  stop_reason               text,
  failure                   json,
  usage                     json           not null,
  simulated                 boolean        not null,
  queued_at                 timestamptz(3) not null,
  started_at                timestamptz(3),
  done_at                   timestamptz(3),
  primary key (tenant_id, run_id),
  unique (tenant_id, agent_id, seq)
);
create index turns_waiting on turns (tenant_id, agent_id, seq) where status in ('queued', 'running');
create index turns_requested on turns (tenant_id, request_hash) where request_hash is not null;
create index turns_listed on turns (tenant_id, queued_at, run_id);

-- One row per model call (tool_call_id '') and one per tool call.
create table steps (
  tenant_id    text           not null,
  run_id       text           not null,
  step         int            not null,
  tool_call_id text           not null,
  step_id      text           not null,
  agent_id     text           not null,
  kind         text           not null check (kind in ('model', 'tool')),
  name         text           not null,   -- the model's handle, or the tool's name
  status       text           not null check (status in ('pending', 'success', 'failed')),
  usage        json,
  stop_reason  text,
  error        json,
  created_at   timestamptz(3) not null,
  done_at      timestamptz(3),
  primary key (tenant_id, run_id, step, tool_call_id)
);
create index steps_by_id on steps (tenant_id, step_id);
create index steps_listed on steps (tenant_id, created_at, step_id) where kind = 'model';

-- Stored messages. `version` is the event's place in the turn's stream, `item` its place in that event.
create table messages (
  tenant_id  text           not null,
  message_id text           not null,
  agent_id   text           not null,
  run_id     text,                       -- null: the agent's system message
  step_id    text,
  version    int            not null,
  item       int            not null,
  role       text           not null check (role in ('system', 'user', 'assistant', 'tool')),
  content    json           not null,
  name       text,
  otid       text,
  sender_id  text,
  created_at timestamptz(3) not null,
  primary key (tenant_id, message_id)
);
create index messages_of_run on messages (tenant_id, run_id, version, item);
create index messages_of_agent on messages (tenant_id, agent_id);

grant select, insert, update, delete on blocks, agents, attachments, turns, steps, messages to palimpsest_app;
