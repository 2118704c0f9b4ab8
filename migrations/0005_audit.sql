-- Signed statements of what the log was: state of its own, nothing rebuilds it. Each covers all events of
-- a tenant in the order of their positions, as the leaves of a Merkle tree (RFC 9162).

create table audit_checkpoints (
  tenant_id     text           not null,
  size          bigint         not null check (size > 0),  -- events covered: leaves of the tree
  root          bytea          not null,
  last_position bigint         not null,                   -- of the last event covered
  time          timestamptz(3) not null,
  signature     bytea          not null,                   -- ed25519, over all of the above
  key_id        text           not null,
  frontier      bytea          not null,                   -- roots of the tree's full subtrees: where it grows on
  primary key (tenant_id, size)
);

-- The roots of each full 256 leaves, so that a proof reads 256 events and not the whole log.
create table audit_subtrees (
  tenant_id     text   not null,
  place         bigint not null,                           -- 0, 1, 2 …
  root          bytea  not null,
  last_position bigint not null,                           -- of its last leaf
  primary key (tenant_id, place)
);
create unique index audit_subtrees_position on audit_subtrees (tenant_id, last_position);

grant select, insert on audit_checkpoints, audit_subtrees to palimpsest_app;
