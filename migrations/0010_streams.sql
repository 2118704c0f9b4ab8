-- What callers are told while a turn runs and when it is over.

-- Tokens on their way from the worker to whoever reads them: written only for turns that are streamed by
-- tokens, and deleted once the message they belong to is committed. Losing them costs nothing.
create unlogged table turn_deltas (
  tenant_id  text        not null,
  run_id     text        not null,
  step       int         not null,
  attempt    int         not null,            -- of the call: rises with every start and every retry
  i          int         not null,            -- from 0, without gaps
  deltas     json        not null,
  written_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, run_id, step, attempt, i)
);

-- How the call to a run's callback_url went. State: nothing rebuilds it.
create table run_callbacks (
  tenant_id     text        not null,
  run_id        text        not null,
  claimed_until timestamptz not null,         -- whoever sends it is given so long
  sent_at       timestamptz(3),
  status_code   int,
  error         text,
  primary key (tenant_id, run_id)
);
create index turns_called_back on turns (tenant_id, done_at) where options->>'callback_url' is not null;

-- The newest run of an agent that its context no longer holds.
alter table agents add column reset_through text;

grant select, insert, delete on turn_deltas to palimpsest_app;
grant select, insert, update on run_callbacks to palimpsest_app;
