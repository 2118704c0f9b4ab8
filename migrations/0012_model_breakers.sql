-- A provider's limit holds for every worker that has the same key. No tenant's.
create table model_breakers (
  limited_as  text           not null primary key,  -- provider and account, never the key
  failures    int            not null,              -- in a row
  openings    int            not null,              -- in a row
  open_until  timestamptz(3),
  probe_until timestamptz(3),                       -- somebody tries whether it answers again
  changes     bigint         not null
);
grant select, insert, update, delete on model_breakers to palimpsest_app;
