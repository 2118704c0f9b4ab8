-- A head holds up to 2 KB of text inline, which is just above what Postgres begins to compress: with
-- every edit it would compress the whole text again. A head stays in its page as it is instead, and no
-- page is filled above half: so every head on it finds room for its next version, even when one group
-- moves them all, and no index is touched.
alter table streams set (toast_tuple_target = 4080, fillfactor = 50);

-- Folded blocks keep their newest changes in another shape now. Snapshots are a cache: they come back.
delete from snapshots;
