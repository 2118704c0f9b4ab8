-- Who reads the log, and how far: state of its own, nothing rebuilds it.

-- One row per named subscription. Its owner holds it by a lease of the database's clock; a newer epoch
-- fences whoever owned it before, so no checkpoint is moved by two.
create table subscriptions (
  tenant_id   text        not null,
  name        text        not null,
  checkpoint  bigint      not null default 0,     -- every event up to this position has been handled
  owner       text,                               -- a process, or nobody
  epoch       bigint      not null default 0,
  lease_until timestamptz not null default '-infinity',
  primary key (tenant_id, name)
) with (fillfactor = 60);

-- Streams a subscription has set aside because one of their events cannot be handled: from that event
-- on the stream waits, and every other stream goes on.
create table quarantined_streams (
  tenant_id      text        not null,
  subscription   text        not null,
  stream_id      text        not null,
  version        int         not null,            -- the first event that waits
  position       bigint      not null,
  error          text        not null,
  retry          boolean     not null default false,
  quarantined_at timestamptz not null default now(),
  primary key (tenant_id, subscription, stream_id)
);

grant select, insert, update on subscriptions to palimpsest_app;
grant select, insert, update, delete on quarantined_streams to palimpsest_app;
