-- The log, its heads, and what a retry is answered with. Every key begins with the tenant.

-- The application works as palimpsest_app, which owns nothing and cannot change what was written.
-- Roles belong to the whole cluster, so another database may have made it already.
do $$
begin
  create role palimpsest_app nologin;
exception
  when duplicate_object or unique_violation then null;
end
$$;

-- A login that is no superuser may only work as a role it is a member of.
do $$
begin
  if not (select rolsuper from pg_roles where rolname = current_user) then
    execute format('grant palimpsest_app to %I', current_user);
  end if;
end
$$;

grant usage on schema public to palimpsest_app;

-- No cache: a position must be drawn while the stream's head is locked, in the order of the decisions.
create sequence events_position cache 1;

create table events (
  tenant_id    text           not null,
  stream_id    text           not null,  -- block-…, agent-…, run-…
  version      int            not null check (version > 0),
  position     bigint         not null default nextval('events_position'),
  type         text           not null,
  schema       smallint       not null,
  actor        json           not null,
  command_id   text           not null,
  correlation  json,                     -- run_id, step, tool_call_id
  base_version int,                      -- what the writer had seen
  recorded_at  timestamptz(3) not null,
  payload      json,                     -- exact text; null once erased
  salt         bytea,                    -- 128 random bits; null once erased
  payload_hash bytea          not null,  -- sha256(salt || payload)
  prev_hash    bytea          not null,
  hash         bytea          not null,  -- sha256(prev_hash || payload_hash || header)
  primary key (tenant_id, stream_id, version)
);
alter sequence events_position owned by events.position;
create unique index events_position_key on events (position);

comment on table events is 'Append-only. json, not jsonb: the payload is hashed as the text that was accepted.';

-- The one head table: compare-and-set happens here and nowhere else. No foreign key may point at it
-- (a key check would look like a lock), and no index may cover a column that an edit changes.
create table streams (
  tenant_id        text  not null,
  stream_id        text  not null,
  kind             text  not null check (kind in ('block', 'agent', 'turn')),
  version          int   not null,
  hash             bytea not null,
  value            text,                 -- a block's text up to 2 KB; above: newest snapshot + later events
  length           int   not null,       -- code points of that text
  primary key (tenant_id, stream_id)
) with (fillfactor = 60);

-- Folded states of streams: a cache that may be missing or late.
create table snapshots (
  tenant_id text not null,
  stream_id text not null,
  version   int  not null,
  state     json not null,
  primary key (tenant_id, stream_id, version)
);

-- A retry gets the first answer, refusals included; under a caller's id for ever.
create table command_results (
  tenant_id   text           not null,
  command_id  text           not null,
  stream_id   text           not null,
  fingerprint bytea          not null,
  verdict     text           not null check (verdict in ('ok', 'rejected')),
  version     int            not null,   -- the version it made, or was judged at
  facts       json           not null,
  recorded_at timestamptz(3) not null default now(),
  kept_until  timestamptz,               -- null: for ever
  primary key (tenant_id, command_id)
);
create index command_results_rejected on command_results (tenant_id, stream_id, recorded_at)
  where verdict = 'rejected';

-- Keys of this database's own, for hashes that must not be guessable from outside.
create table server_keys (
  name text  not null primary key,
  key  bytea not null
);
insert into server_keys (name, key)
values ('context', decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

-- Append-only twice: by privilege for the application, and by trigger for everyone but erasure, which
-- may set payload and salt to null and nothing else.
create function events_are_append_only() returns trigger
language plpgsql as $$
begin
  if tg_op = 'UPDATE' and new.payload is null and new.salt is null
     and (new.tenant_id, new.stream_id, new.version, new.position, new.type, new.schema, new.command_id,
          new.base_version, new.recorded_at, new.payload_hash, new.prev_hash, new.hash)
         is not distinct from
         (old.tenant_id, old.stream_id, old.version, old.position, old.type, old.schema, old.command_id,
          old.base_version, old.recorded_at, old.payload_hash, old.prev_hash, old.hash)
     and new.actor::text is not distinct from old.actor::text
     and new.correlation::text is not distinct from old.correlation::text then
    return new;
  end if;
  raise exception 'events are append-only' using errcode = 'insufficient_privilege';
end
$$;
create trigger events_append_only before update or delete on events
  for each row execute function events_are_append_only();
create trigger events_no_truncate before truncate on events
  for each statement execute function events_are_append_only();

grant select, insert on events to palimpsest_app;
grant usage, select on sequence events_position to palimpsest_app;
grant select, insert, update on streams to palimpsest_app;
grant select, insert, update, delete on snapshots to palimpsest_app;
grant select, insert on command_results to palimpsest_app;
grant select on server_keys to palimpsest_app;
