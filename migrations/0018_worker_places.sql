-- Turns a worker may run at once: who finds a dead one deals out what it had to those with room. 0: it takes none.
alter table workers add column places integer not null default 0;
